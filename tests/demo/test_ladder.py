"""The stanza ladder: one line a stanza, an arrow the right way, the right few words."""

from __future__ import annotations

import pytest

from jingle.demo import LoopbackServer
from jingle.demo.ladder import Observed, draw_ladder

from .conftest import Login

A, B = "alice@localhost/a", "bob@localhost/b"


def sent(xml: str, time: float = 0, jid: str = A) -> Observed:
    return Observed("received", jid, xml, time)


def delivered(xml: str, time: float = 0, jid: str = B) -> Observed:
    return Observed("delivered", jid, xml, time)


EXPECTED = [
    "       ms  alice@localhost/a                     server                                bob@localhost/b",
    "      0.0  |-------------------------- message propose audio ------------------------->|",
    "     20.0  |------------------ session-initiate audio (2 candidates) ----------------->|",
    "     32.5  |<------------ result (session-initiate audio (2 candidates)) --------------|",
]


def test_nothing() -> None:
    assert draw_ladder([]) == ""


def test_a_call() -> None:
    propose = (
        f'<message from="{A}" to="bob@localhost" type="chat"><propose xmlns="urn:xmpp:jingle-message:0" id="s">'
        '<description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio"/></propose>'
        '<store xmlns="urn:xmpp:hints"/></message>'
    )
    initiate = (
        f'<iq from="{A}" to="{B}" type="set" id="1"><jingle xmlns="urn:xmpp:jingle:1" action="session-initiate">'
        '<content name="a"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio"/>'
        '<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1"><candidate/><candidate/></transport></content>'
        "</jingle></iq>"
    )
    result = f'<iq from="{B}" to="{A}" type="result" id="1"/>'
    text = draw_ladder(
        [
            sent(propose, 100.0),
            delivered(propose, 100.001),
            sent(initiate, 100.02),
            delivered(initiate, 100.021),
            sent(result, 100.0325, B),
            delivered(result, 100.033, A),
        ]
    )
    assert text.splitlines() == EXPECTED


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<presence/>", "presence"),
        ('<presence type="unavailable"/>', "presence unavailable"),
        ('<message to="x@localhost"><body>hi\nthere</body></message>', "“hi there”"),
        ('<message to="x@localhost"/>', "message"),
        ('<iq type="get" id="1"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>', "disco#info"),
        ('<iq type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>', "jabber:iq:roster"),
        ('<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>', "ping"),
        (
            '<iq type="set" id="1"><data xmlns="http://jabber.org/protocol/ibb" seq="7">QUJD</data></iq>',
            "ibb data #7 4 B",
        ),
        ('<iq type="set" id="1"><close xmlns="http://jabber.org/protocol/ibb"/></iq>', "ibb close"),
        (
            '<iq type="set" id="1"><jingle xmlns="urn:xmpp:jingle:1" action="session-terminate"><reason><success/>'
            "</reason></jingle></iq>",
            "session-terminate success",
        ),
        (
            '<iq type="set" id="1"><jingle xmlns="urn:xmpp:jingle:1" action="session-info">'
            '<ringing xmlns="urn:xmpp:jingle:apps:rtp:info:1"/></jingle></iq>',
            "session-info ringing",
        ),
        (
            '<iq type="set" id="1"><jingle xmlns="urn:xmpp:jingle:1" action="session-initiate"><content>'
            '<description xmlns="urn:xmpp:jingle:apps:file-transfer:5"/></content></jingle></iq>',
            "session-initiate file-transfer",
        ),
    ],
)
def test_words(xml: str, words: str) -> None:
    line = draw_ladder([sent(xml)]).splitlines()[1]
    assert line.startswith("      0.0  |-")
    assert line.endswith("->|")
    assert line[12:-2].strip("- ") == words


def test_errors_and_carbons_come_from_the_server() -> None:
    error = f'<iq type="error" id="1" from="x@y" to="{A}"><error type="cancel"><gone xmlns="urn:ietf:x"/></error></iq>'
    carbon = (
        f'<message from="bob@localhost" to="{B}"><received xmlns="urn:xmpp:carbons:2"><forwarded '
        'xmlns="urn:xmpp:forward:0"><message xmlns="jabber:client"><body>hi</body></message></forwarded>'
        "</received></message>"
    )
    lines = draw_ladder([delivered(error, jid=A), delivered(carbon)]).splitlines()
    assert "|<" in lines[1]
    assert " error: gone " in lines[1]
    assert " carbon of: “hi” " in lines[2]
    assert lines[2].endswith(">|")


def test_a_bare_address_with_two_devices_goes_by_the_server() -> None:
    message = f'<message from="{A}" to="bob@localhost"><body>hi</body></message>'
    seen = [sent(message), delivered(message, 1), delivered(message, 2, "bob@localhost/c")]
    lines = draw_ladder(seen).splitlines()
    assert len(lines) == 4
    assert [line.index("“hi”") for line in lines[1:]] == sorted(line.index("“hi”") for line in lines[1:])


def test_presence_is_passed_on_to_others_by_the_server() -> None:
    presence = f'<presence from="{A}" to="bob@localhost"/>'
    broadcast = [sent(f'<presence from="{A}"/>'), delivered(f'<presence from="{A}"/>', jid=A), delivered(presence)]
    lines = draw_ladder(broadcast).splitlines()
    assert len(lines) == 3
    assert " presence of alice@localhost/a " in lines[2]
    assert lines[2].endswith(">|")


def test_long_words_are_cut() -> None:
    body = "x" * 500
    line = draw_ladder([sent(f"<message to='q@localhost'><body>{body}</body></message>")]).splitlines()[1]
    assert len(line) < 60
    assert "…" in line


def test_to_oneself() -> None:
    line = draw_ladder([sent(f'<message from="{A}" to="{A}"><body>hi</body></message>')]).splitlines()[1]
    assert line.endswith("| “hi”")


async def test_of_a_real_server(server: LoopbackServer, login: Login) -> None:
    seen: list[Observed] = []
    server.stanzas = lambda *stanza: seen.append(Observed(*stanza))
    alice = await login("alice@localhost/a")
    bob = await login("bob@localhost/b")
    alice.write_to("bob@localhost/b", "hello", "chat")
    await bob.take("message")
    await alice.info("bob@localhost/b")
    text = draw_ladder(seen)
    assert " “hello” " in text
    assert " result (disco#info) " in text
    assert len({line.index("|") for line in text.splitlines()[1:]}) == 1
