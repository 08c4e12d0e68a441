"""RFC 5802 on the server's side, against scramp's client and against nonsense."""

from __future__ import annotations

import base64

import pytest
import scramp
from hypothesis import given
from hypothesis import strategies as st

from jingle.demo import sasl
from jingle.errors import RemoteProtocolError

USERS = {"alice": sasl.make_credentials("secret")}


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def log_in(user: str, password: str, mechanism: str = "SCRAM-SHA-256", unique: bytes | None = None) -> sasl.Exchange:
    exchange = sasl.Exchange(mechanism, USERS.get, unique)
    binding = ("tls-unique", unique) if mechanism.endswith("-PLUS") else None
    client = scramp.ScramClient([mechanism], user, password, channel_binding=binding)
    client.set_server_first(base64.b64decode(exchange.respond(b64(client.get_client_first()))).decode())
    assert exchange.username is None
    client.set_server_final(base64.b64decode(exchange.respond(b64(client.get_client_final()))).decode())
    return exchange


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_the_right_password(mechanism: str) -> None:
    assert log_in("alice", "secret", mechanism).username == "alice"


def test_channel_binding() -> None:
    assert sasl.mechanisms(b"unique")[0] == "SCRAM-SHA-256-PLUS"
    assert log_in("alice", "secret", "SCRAM-SHA-256-PLUS", b"unique").username == "alice"


def test_a_stripped_offer_of_channel_binding_is_noticed() -> None:
    """RFC 5802 section 6: `y` says "I could bind, but you cannot", and we can."""
    exchange = sasl.Exchange("SCRAM-SHA-256", USERS.get, b"unique")
    with pytest.raises(RemoteProtocolError) as caught:
        exchange.respond(b64("y,,n=alice,r=abc"))
    assert caught.value.condition == "not-authorized"


def refused(user: str, password: str) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        log_in(user, password)
    return caught.value


def test_wrong_user_and_wrong_password_look_alike() -> None:
    wrong_password, wrong_user = refused("alice", "wrong"), refused("nobody", "secret")
    assert (wrong_password.condition, wrong_password.text) == (wrong_user.condition, wrong_user.text)
    assert wrong_user.condition == "not-authorized"


def first_answer(user: str) -> dict[str, str]:
    answer = sasl.Exchange("SCRAM-SHA-256", USERS.get, None).respond(b64(f"n,,n={user},r=abc"))
    return dict(part.split("=", 1) for part in base64.b64decode(answer).decode().split(","))


def test_a_name_nobody_has_is_asked_for_its_password_with_the_same_salt_each_time() -> None:
    known, unknown, again, other = (first_answer(user) for user in ("alice", "nobody", "nobody", "nemo"))
    assert unknown["s"] == again["s"] != other["s"]
    assert len(unknown["s"]) == len(known["s"])
    assert unknown["i"] == known["i"]


def test_a_mechanism_that_is_not_offered() -> None:
    for mechanism in ("PLAIN", "", "SCRAM-SHA-256-PLUS"):
        with pytest.raises(RemoteProtocolError) as caught:
            sasl.Exchange(mechanism, USERS.get, None)
        assert caught.value.condition == "invalid-mechanism"


@pytest.mark.parametrize("message", [b"!", b"AAA", b"/w==", b"<a/>"])
def test_not_base64(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        sasl.Exchange("SCRAM-SHA-1", USERS.get, None).respond(message)
    assert caught.value.condition == "incorrect-encoding"


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: b64("n,," + text)), max_size=4))
def test_nonsense_is_refused_and_nothing_else(messages: list[bytes]) -> None:
    exchange = sasl.Exchange("SCRAM-SHA-256", USERS.get, None)
    conditions = set()
    for message in messages:
        try:
            exchange.respond(base64.b64encode(message))
        except RemoteProtocolError as error:
            conditions.add(error.condition)
    assert conditions <= {"not-authorized", "incorrect-encoding"}
    assert exchange.username is None
