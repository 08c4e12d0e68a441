"""Stanzas to elements and back: who is believed, what is answered, and what a trace shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from slixmpp.features.feature_mechanisms.stanza import Auth

from jingle.elements.core import NS, NS_ERRORS, Action, Jingle
from jingle.elements.declare import Element
from jingle.elements.initiation import NS as NS_INITIATION
from jingle.elements.initiation import Proceed, Propose
from jingle.elements.messages import Receipt, Store
from jingle.elements.services import NS as NS_SERVICES
from jingle.elements.services import Service, Services
from jingle.errors import LocalProtocolError, RemoteProtocolError, SignallingError
from jingle.signalling import binding as module
from jingle.signalling.binding import Binding, Replier, address
from jingle.signalling.messages import ReceivedMessage
from tests.signalling.wire import COMPONENT, OWN, PEER, Wire, component, wired

STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
PROPOSE = f"<propose xmlns='{NS_INITIATION}' id='a1'/>"
TERMINATE = f"<jingle xmlns='{NS}' action='session-terminate' sid='s1'/>"


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with wired() as wire:
        yield wire


@pytest.fixture
async def binding(wire: Wire) -> AsyncIterator[Binding]:
    binding = Binding(wire.xmpp, message_namespaces=(NS_INITIATION, "urn:xmpp:receipts"))
    yield binding
    await binding.aclose()


@pytest.fixture
def messages(binding: Binding) -> list[ReceivedMessage]:
    received: list[ReceivedMessage] = []
    binding.on_message = received.append
    return received


def error_of(stanza: ET.Element) -> tuple[str | None, list[str]]:
    """Type and conditions of a stanza's error."""
    assert stanza.get("type") == "error"
    error = next(child for child in stanza if child.tag.endswith("}error"))
    return error.get("type"), [child.tag for child in error if not child.tag.endswith("}text")]


# Addresses


def test_an_address_takes_its_normal_form() -> None:
    assert address("Juliet@Capulet.Example/Balcony") == "juliet@capulet.example/Balcony"


@pytest.mark.parametrize("text", ["", "@capulet.example", "a b@capulet.example", "juliet@", "juliet@capulet.example/"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        address(text)
    assert caught.value.condition == "jid-malformed"


# Messages


async def test_a_message(wire: Wire, messages: list[ReceivedMessage]) -> None:
    wire.receive(f"<message from='{PEER}' to='{OWN}' id='m1' type='chat'>{PROPOSE}<body>hi</body></message>")
    assert messages == [
        ReceivedMessage(sender=PEER, recipient=OWN, id="m1", type="chat", payloads=(Propose(id="a1", descriptions=()),))
    ]


@pytest.mark.parametrize("kind", ["groupchat", "headline"])
async def test_a_room_proposes_nothing(wire: Wire, messages: list[ReceivedMessage], kind: str) -> None:
    wire.receive(f"<message from='room@capulet.example/nick' to='{OWN}' type='{kind}'>{PROPOSE}</message>")
    assert messages == []


async def test_what_cannot_be_read_is_left_out(wire: Wire, messages: list[ReceivedMessage]) -> None:
    wire.receive(f"<message from='{PEER}'><propose xmlns='{NS_INITIATION}'/>{PROPOSE}</message>")
    assert [message.payloads for message in messages] == [(Propose(id="a1", descriptions=()),)]


def carbon(kind: str, sender: str, inner: str) -> str:
    return (
        f"<message from='{sender}' to='{OWN}'><{kind} xmlns='urn:xmpp:carbons:2'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></{kind}></message>"
    )


@pytest.mark.parametrize("kind", ["sent", "received"])
@pytest.mark.parametrize("sender", ["juliet@capulet.example", ""])
async def test_a_carbon_of_our_own_account(wire: Wire, messages: list[ReceivedMessage], kind: str, sender: str) -> None:
    inner = f"<message xmlns='jabber:client' from='{PEER}' to='juliet@capulet.example/phone'>{PROPOSE}</message>"
    wire.receive(carbon(kind, sender, inner))
    (message,) = messages
    assert (message.carbon, message.sender, message.recipient) == (kind, PEER, "juliet@capulet.example/phone")


@pytest.mark.parametrize("sender", [PEER, "romeo@montague.example", OWN, "juliet@capulet.example/phone"])
async def test_a_forged_carbon(wire: Wire, messages: list[ReceivedMessage], sender: str) -> None:
    """Only the account itself sends copies (XEP-0280 section 11), not even another device of it."""
    inner = f"<message xmlns='jabber:client' from='{PEER}' to='{OWN}'>{PROPOSE}</message>"
    wire.receive(carbon("received", sender, inner))
    assert messages == []


async def test_a_carbon_without_a_message_inside(wire: Wire, messages: list[ReceivedMessage]) -> None:
    wire.receive(f"<message from='juliet@capulet.example'><sent xmlns='urn:xmpp:carbons:2'/>{PROPOSE}</message>")
    assert messages == []


def archived(sender: str, inner: str, stamp: str = "") -> str:
    return (
        f"<message from='{sender}' to='{OWN}'><result xmlns='urn:xmpp:mam:2' id='1' queryid='q'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{stamp}{inner}</forwarded></result></message>"
    )


async def test_what_an_archive_gives_back(wire: Wire, messages: list[ReceivedMessage]) -> None:
    inner = f"<message xmlns='jabber:client' from='{PEER}' to='juliet@capulet.example' type='chat'>{PROPOSE}</message>"
    wire.receive(archived("juliet@capulet.example", inner, delay(3600)))
    (message,) = messages
    assert (message.is_archived, message.carbon, message.sender) == (True, None, PEER)
    assert message.age == pytest.approx(3600, abs=5)
    # A forged one, and a bounce of long ago.
    for sender in (PEER, OWN, "capulet.example"):
        wire.receive(archived(sender, inner, delay(3600)))
    wire.receive(archived("", inner.replace("chat", "error"), delay(3600)))
    assert [(each.is_archived, each.error) for each in messages[1:]] == [(True, None)]


def delay(seconds: float, spelling: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    stamp = (datetime.now(UTC) - timedelta(seconds=seconds)).strftime(spelling)
    return f"<delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>"


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        (lambda: "", 0),
        (lambda: delay(90), 90),
        (lambda: delay(30) + delay(90), 90),
        (lambda: delay(90, "%Y-%m-%dT%H:%M:%S"), 90),
        (lambda: delay(-3600), 0),
        (lambda: "<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>", 0),
        (lambda: "<delay xmlns='urn:xmpp:delay'/>", 0),
        (lambda: "<delay xmlns='urn:xmpp:delay' stamp='0001-01-01T00:00:00+23:59'/>", 6e10),
    ],
)
async def test_age(wire: Wire, messages: list[ReceivedMessage], delays: Callable[[], str], expected: float) -> None:
    wire.receive(f"<message from='{PEER}'>{PROPOSE}{delays()}</message>")
    age = messages[0].age
    assert age == pytest.approx(expected, abs=5) if expected < 1e9 else age > expected


async def test_the_age_of_a_carbon_is_that_of_either_message(wire: Wire, messages: list[ReceivedMessage]) -> None:
    inner = f"<message xmlns='jabber:client' from='{PEER}' to='{OWN}'>{PROPOSE}{delay(70)}</message>"
    wire.receive(carbon("received", "juliet@capulet.example", inner))
    assert messages[0].age == pytest.approx(70, abs=5)


async def test_a_bounce(wire: Wire, messages: list[ReceivedMessage]) -> None:
    error = f"<error type='cancel'><text xmlns='{STANZAS}'>no</text><gone xmlns='{STANZAS}'/></error>"
    wire.receive(f"<message from='{PEER}' id='jm-propose-a1' type='error'>{PROPOSE}{error}</message>")
    wire.receive(f"<message from='{PEER}' id='jm-propose-a2' type='error'>{PROPOSE}</message>")
    wire.receive(f"<message from='{PEER}' id='another' type='error'>{PROPOSE}{error}</message>")
    assert [(message.id, message.error) for message in messages] == [
        ("jm-propose-a1", "gone"),
        ("jm-propose-a2", "undefined-condition"),
    ]


async def test_sending_a_message(wire: Wire, binding: Binding) -> None:
    binding.send_message(PEER, [Proceed(id="a1"), Store()], id="jm-proceed-a1")
    message = await wire.take()
    assert (message.get("to"), message.get("type"), message.get("id")) == (PEER, "chat", "jm-proceed-a1")
    assert message.get("from") is None
    assert [child.tag for child in message] == [f"{{{NS_INITIATION}}}proceed", "{urn:xmpp:hints}store"]


async def test_directed_presence(wire: Wire, binding: Binding) -> None:
    binding.send_presence(PEER)
    binding.send_presence(PEER, available=False)
    assert [(each.get("to"), each.get("type")) for each in (await wire.take(), await wire.take())] == [
        (PEER, None),
        (PEER, "unavailable"),
    ]


async def test_who_goes_offline(wire: Wire, binding: Binding) -> None:
    gone: list[str] = []
    binding.on_unavailable = gone.append
    wire.receive(f"<presence from='{PEER}'/>")
    wire.receive(f"<presence from='{PEER}' type='unavailable'/>")
    assert gone == [PEER]


# Contacts


async def test_contacts(wire: Wire, binding: Binding) -> None:
    assert binding.is_contact("juliet@capulet.example/phone")
    assert not binding.is_contact(PEER)
    for subscription, expected in (("both", True), ("to", True), ("from", True), ("none", False)):
        wire.receive(
            "<iq type='set' id='r1'><query xmlns='jabber:iq:roster'>"
            f"<item jid='romeo@montague.example' subscription='{subscription}'/></query></iq>"
        )
        assert binding.is_contact(PEER) is expected
    wire.receive("<presence from='stranger@elsewhere.example/x'/>")
    assert not binding.is_contact("stranger@elsewhere.example/x")


# Jingle in


def jingle_iq(payload: str, sender: str = PEER) -> str:
    return f"<iq from='{sender}' to='{OWN}' type='set' id='q1'>{payload}</iq>"


async def test_acknowledged(wire: Wire, binding: Binding) -> None:
    seen: list[tuple[str, Jingle]] = []

    def receive(sender: str, jingle: Jingle, reply: Replier) -> None:
        seen.append((sender, jingle))
        reply(None)

    binding.on_jingle = receive
    wire.receive(jingle_iq(TERMINATE))
    answer = await wire.take()
    assert (answer.get("type"), answer.get("to"), answer.get("id"), len(answer)) == ("result", PEER, "q1", 0)
    assert [(sender, jingle.action, jingle.sid) for sender, jingle in seen] == [(PEER, Action.SESSION_TERMINATE, "s1")]


async def test_refused_with_a_jingle_condition(wire: Wire, binding: Binding) -> None:
    binding.on_jingle = lambda sender, jingle, reply: reply(RemoteProtocolError("no", jingle="unknown-session"))
    wire.receive(jingle_iq(TERMINATE))
    answer = await wire.take()
    assert error_of(answer) == ("cancel", [f"{{{STANZAS}}}item-not-found", f"{{{NS_ERRORS}}}unknown-session"])
    assert answer.findtext(f".//{{{STANZAS}}}text") == "no"


async def test_nobody_listens_yet(wire: Wire, binding: Binding) -> None:
    wire.receive(jingle_iq(TERMINATE))
    assert error_of(await wire.take()) == ("cancel", [f"{{{STANZAS}}}service-unavailable"])


@pytest.mark.parametrize(
    "payload",
    [f"<jingle xmlns='{NS}' action='session-terminate'/>", f"<jingle xmlns='{NS}' action='x' sid='s'/>"],
    ids=["no sid", "unknown action"],
)
async def test_malformed(wire: Wire, binding: Binding, payload: str) -> None:
    wire.receive(jingle_iq(payload))
    assert error_of(await wire.take()) == ("modify", [f"{{{STANZAS}}}bad-request"])


async def test_an_element_that_is_no_jingle(wire: Wire, binding: Binding) -> None:
    wire.receive(jingle_iq(f"<reason xmlns='{NS}'><busy/></reason>"))
    assert error_of(await wire.take()) == ("modify", [f"{{{STANZAS}}}bad-request"])


async def test_a_stranger_does_not_learn_that_it_was_malformed(wire: Wire, binding: Binding) -> None:
    binding.may_reach = lambda sender: False
    wire.receive(jingle_iq(f"<jingle xmlns='{NS}'/>"))
    answer = await wire.take()
    assert error_of(answer) == ("cancel", [f"{{{STANZAS}}}service-unavailable"])
    assert answer.find(f".//{{{STANZAS}}}text") is None


# Requests out


async def test_a_request_and_its_result(wire: Wire, binding: Binding) -> None:
    asking = asyncio.ensure_future(binding.request(PEER, Services(), kind="get"))
    iq = await wire.take()
    assert (iq.get("to"), iq.get("type"), iq[0].tag) == (PEER, "get", f"{{{NS_SERVICES}}}services")
    service = "<service type='stun' host='stun.example'/>"
    wire.receive(
        f"<iq from='{PEER}' id='{iq.get('id')}' type='result'><services xmlns='{NS_SERVICES}'>{service}</services></iq>"
    )
    assert await asking == Services(services=(Service(type="stun", host="stun.example"),))


async def test_an_answer_of_somebody_else_is_none(wire: Wire, binding: Binding) -> None:
    asking = asyncio.ensure_future(binding.request(PEER, Services(), timeout=0.1))
    iq = await wire.take()
    wire.receive(f"<iq from='mallory@elsewhere.example/x' id='{iq.get('id')}' type='result'/>")
    with pytest.raises(SignallingError) as caught:
        await asking
    assert caught.value.condition == "timeout"


async def test_an_empty_result(wire: Wire, binding: Binding) -> None:
    asking = asyncio.ensure_future(binding.request(PEER, Services()))
    wire.receive(f"<iq from='{PEER}' id='{(await wire.take()).get('id')}' type='result'/>")
    assert await asking is None


ERROR = (
    f"<error type='cancel'><item-not-found xmlns='{STANZAS}'/><text xmlns='{STANZAS}'>gone</text>"
    f"<unknown-session xmlns='{NS_ERRORS}'/></error>"
)


async def test_an_error_for_a_request(wire: Wire, binding: Binding) -> None:
    asking = asyncio.ensure_future(binding.request(PEER, Services()))
    wire.receive(f"<iq from='{PEER}' id='{(await wire.take()).get('id')}' type='error'><x xmlns='y'/>{ERROR}</iq>")
    with pytest.raises(SignallingError) as caught:
        await asking
    error = caught.value
    assert (error.condition, error.text, error.jingle) == ("item-not-found", "gone", "unknown-session")


async def test_an_error_without_a_condition(wire: Wire, binding: Binding) -> None:
    # What is missing altogether slixmpp fills in, with the answer of a client that knows nothing.
    for error, condition in (("", "feature-not-implemented"), ("<error/>", "undefined-condition")):
        asking = asyncio.ensure_future(binding.request(PEER, Services()))
        wire.receive(f"<iq from='{PEER}' id='{(await wire.take()).get('id')}' type='error'>{error}</iq>")
        with pytest.raises(SignallingError) as caught:
            await asking
        assert caught.value.condition == condition


@pytest.mark.parametrize(
    ("inside", "condition"), [("", "undefined-condition"), (f"<quota-reached xmlns='{STANZAS}'/>", "quota-reached")]
)
async def test_an_error_whose_condition_slixmpp_does_not_know(
    wire: Wire, binding: Binding, inside: str, condition: str
) -> None:
    """stanza.js says no more than this where it fails itself."""
    heard: list[SignallingError | None] = []
    binding.send_request(PEER, Jingle(action=Action.SESSION_TERMINATE, sid="s1"), heard.append)
    id = (await wire.take()).get("id")
    wire.receive(f"<iq from='{PEER}' id='{id}' type='error'><error type='cancel'>{inside}</error></iq>")
    assert [error and error.condition for error in heard] == [condition]


async def test_a_result_that_cannot_be_read(wire: Wire, binding: Binding) -> None:
    asking = asyncio.ensure_future(binding.request(PEER, Services()))
    result = f"<services xmlns='{NS_SERVICES}'><service/></services>"
    wire.receive(f"<iq from='{PEER}' id='{(await wire.take()).get('id')}' type='result'>{result}</iq>")
    with pytest.raises(RemoteProtocolError):
        await asking


@pytest.mark.parametrize(
    ("answer", "expected"), [("type='result'", None), (f"type='error'>{ERROR}</iq", "item-not-found")]
)
async def test_the_answer_is_heard_before_what_comes_behind_it(
    wire: Wire, binding: Binding, answer: str, expected: str | None
) -> None:
    heard: list[object] = []
    binding.on_jingle = lambda sender, jingle, reply: heard.append(jingle.sid)
    binding.send_request(PEER, Jingle(action=Action.SESSION_TERMINATE, sid="s1"), heard.append)
    id = (await wire.take()).get("id")
    end = "/>" if answer.endswith("'") else ">"
    wire.receive(f"<iq from='{PEER}' id='{id}' {answer}{end}")
    wire.receive(jingle_iq(TERMINATE))
    assert [each.condition if isinstance(each, SignallingError) else each for each in heard] == [expected, "s1"]


async def test_nobody_answers_a_sent_request(wire: Wire, binding: Binding) -> None:
    heard: asyncio.Future[SignallingError | None] = asyncio.get_running_loop().create_future()
    binding.send_request(PEER, Jingle(action=Action.SESSION_TERMINATE, sid="s1"), heard.set_result, timeout=0.05)
    error = await asyncio.wait_for(heard, 2)
    assert error is not None
    assert error.condition == "timeout"


# Requests in

NS_TEST = NS_SERVICES


def request(number: int, sender: str = PEER) -> str:
    return (
        f"<iq from='{sender}' to='{OWN}' type='set' id='q{number}'><services xmlns='{NS_TEST}' type='t{number}'/></iq>"
    )


async def test_handlers_start_in_order_and_run_side_by_side(wire: Wire, binding: Binding) -> None:
    started: list[str | None] = []
    go_on = asyncio.Event()

    async def handle(sender: str, payload: Element) -> Element | None:
        assert isinstance(payload, Services)
        started.append(payload.type)
        if payload.type == "t1":
            await go_on.wait()
            return None
        return Services(type=f"{sender} {payload.type}")

    binding.on_request(NS_TEST, handle)
    for number in (1, 2, 3):
        wire.receive(request(number))
    answers = [await wire.take(), await wire.take()]
    assert started == ["t1", "t2", "t3"]
    assert [(each.get("id"), each[0].get("type")) for each in answers] == [("q2", f"{PEER} t2"), ("q3", f"{PEER} t3")]
    go_on.set()
    last = await wire.take()
    assert (last.get("id"), last.get("type"), len(last)) == ("q1", "result", 0)


async def test_requests_are_bounded(wire: Wire, binding: Binding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING_REQUESTS", 2)
    go_on = asyncio.Event()

    async def handle(sender: str, payload: Element) -> None:
        await go_on.wait()

    binding.on_request(NS_TEST, handle)
    for number in (1, 2, 3):
        wire.receive(request(number))
    refusal = await wire.take()
    assert refusal.get("id") == "q3"
    assert error_of(refusal) == ("wait", [f"{{{STANZAS}}}resource-constraint"])
    go_on.set()
    assert {(await wire.take()).get("id"), (await wire.take()).get("id")} == {"q1", "q2"}
    wire.receive(request(4))
    assert (await wire.take()).get("type") == "result"


async def test_a_stranger_meets_no_handler(wire: Wire, binding: Binding) -> None:
    async def handle(sender: str, payload: Element) -> None:
        raise AssertionError("let in")

    binding.may_reach = lambda sender: sender == PEER
    binding.on_request(NS_TEST, handle)
    wire.receive(request(1, "mallory@elsewhere.example/x"))
    assert error_of(await wire.take()) == ("cancel", [f"{{{STANZAS}}}service-unavailable"])


async def test_a_malformed_request(wire: Wire, binding: Binding) -> None:
    async def handle(sender: str, payload: Element) -> None:
        raise AssertionError("let in")

    binding.on_request(NS_TEST, handle)
    wire.receive(f"<iq from='{PEER}' type='set' id='q1'><services xmlns='{NS_TEST}'><service/></services></iq>")
    assert error_of(await wire.take()) == ("modify", [f"{{{STANZAS}}}bad-request"])


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (RemoteProtocolError("no", condition="item-not-found"), "item-not-found"),
        (KeyError("x"), "internal-server-error"),
    ],
)
async def test_a_handler_that_fails(wire: Wire, binding: Binding, error: Exception, condition: str) -> None:
    async def handle(sender: str, payload: Element) -> None:
        raise error

    binding.on_request(NS_TEST, handle)
    for number in (1, 2):
        wire.receive(request(number))
        assert error_of(await wire.take()) == ("cancel", [f"{{{STANZAS}}}{condition}"])


async def test_a_handler_that_is_taken_off(wire: Wire, binding: Binding) -> None:
    async def handle(sender: str, payload: Element) -> None:
        await asyncio.Event().wait()

    remove = binding.on_request(NS_TEST, handle)
    wire.receive(request(1))
    await wire.silence()
    remove()
    remove()
    assert error_of(await wire.take()) == ("cancel", [f"{{{STANZAS}}}service-unavailable"])
    wire.receive(request(2))
    assert error_of(await wire.take())[0] == "cancel"


async def test_closing_ends_everything(wire: Wire, binding: Binding) -> None:
    async def handle(sender: str, payload: Element) -> None:
        await asyncio.Event().wait()

    seen: list[Any] = []
    binding.tap(lambda direction, xml: seen.append(xml))
    binding.on_message = seen.append
    binding.on_request(NS_TEST, handle)
    wire.receive(request(1))
    await asyncio.sleep(0)
    seen.clear()
    await binding.aclose()
    await binding.aclose()
    assert error_of(await wire.take())[0] == "cancel"
    wire.receive(f"<message from='{PEER}'>{PROPOSE}</message>")
    assert seen == []


async def test_proxies_are_asked_of_whoever_looks_for_them(binding: Binding) -> None:
    assert await binding.find_proxies() == ()


# Taps


async def test_a_tap_shows_stanzas_and_no_passwords(wire: Wire, binding: Binding) -> None:
    seen: list[tuple[str, str]] = []
    binding.tap(lambda direction, xml: seen.append((direction, xml)))
    binding.send_message(PEER, [Receipt(id="m1")], id="m2")
    await wire.take()
    services = f"<services xmlns='{NS_SERVICES}'><service password='hunter2' username=\"u'1\"/></services>"
    wire.receive(f"<iq from='{PEER}' type='result' id='x'>{services}</iq>")
    auth = Auth(wire.xmpp)
    auth["value"] = b"hunter2"
    auth.send()
    await wire.take()
    assert [direction for direction, _ in seen] == [">", "<"]
    assert "received" in seen[0][1]
    assert "hunter2" not in seen[1][1]
    assert 'password="***"' in seen[1][1]


# Components


@pytest.fixture
async def stream() -> AsyncIterator[tuple[Wire, Binding]]:
    async with wired(component()) as wire:
        binding = Binding(wire.xmpp, message_namespaces=(NS_INITIATION,))
        yield wire, binding
        await binding.aclose()


async def test_a_component_says_who_it_is(stream: tuple[Wire, Binding]) -> None:
    wire, binding = stream
    assert binding.local == COMPONENT
    assert not binding.is_contact(PEER)
    binding.send_message(PEER, [Proceed(id="a1")], id="m1")
    binding.send_presence(PEER)
    assert [(await wire.take()).get("from") for _ in range(2)] == [COMPONENT, COMPONENT]


async def test_requests_of_a_component(stream: tuple[Wire, Binding]) -> None:
    wire, binding = stream
    for sender, expected in ((None, COMPONENT), (f"room@{COMPONENT}/1", f"room@{COMPONENT}/1")):
        asking = asyncio.ensure_future(binding.request(PEER, Services(), sender=sender))
        iq = await wire.take()
        assert iq.get("from") == expected
        wire.receive(f"<iq from='{PEER}' to='{expected}' id='{iq.get('id')}' type='error'>{ERROR}</iq>")
        with pytest.raises(SignallingError) as caught:
            await asking
        assert (caught.value.condition, caught.value.jingle) == ("item-not-found", "unknown-session")


async def test_a_component_answers_from_where_it_was_asked(stream: tuple[Wire, Binding]) -> None:
    wire, binding = stream
    binding.on_jingle = lambda sender, jingle, reply: reply(RemoteProtocolError("no", jingle="out-of-order"))
    to = f"room@{COMPONENT}/1"
    wire.receive(f"<iq from='{PEER}' to='{to}' type='set' id='q1'>{TERMINATE}</iq>")
    answer = await wire.take()
    assert (answer.get("from"), answer.get("to")) == (to, PEER)
    assert error_of(answer) == ("wait", [f"{{{STANZAS}}}unexpected-request", f"{{{NS_ERRORS}}}out-of-order"])


async def test_messages_to_a_component(stream: tuple[Wire, Binding]) -> None:
    wire, binding = stream
    received: list[ReceivedMessage] = []
    binding.on_message = received.append
    wire.receive(f"<message from='{PEER}' to='{COMPONENT}'>{PROPOSE}</message>")
    error = f"<error type='cancel'><gone xmlns='{STANZAS}'/></error>"
    wire.receive(f"<message from='{PEER}' to='{COMPONENT}' id='jm-propose-a1' type='error'>{PROPOSE}{error}</message>")
    assert [(message.sender, message.error) for message in received] == [(PEER, None), (PEER, "gone")]
