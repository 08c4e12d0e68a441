"""Logging in, staying on and coming back, over a real server on loopback and over servers that misbehave."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from jingle.demo import LoopbackServer
from jingle.demo.certificate import make_tls_context
from jingle.errors import LocalProtocolError, SignallingError
from jingle.signalling import connection as module
from jingle.signalling.connection import Account, XmppConnection
from tests.servers.line import BESIDE, Line

PATIENCE = 5
FEATURES = "<stream:features>{}</stream:features>"
HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='s' from='localhost' version='1.0' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
MECHANISMS = (
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism>"
    "<mechanism>PLAIN</mechanism></mechanisms>"
)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(users={"alice": "secret", "bob": "secret"}, contacts="all") as server:
        yield server


@pytest.fixture
async def line(server: LoopbackServer) -> AsyncIterator[Line]:
    line = Line(server)
    await line.start()
    yield line
    await line.aclose()


class Watched(XmppConnection):
    """A connection that remembers its states."""

    def __init__(self, account: Account, *, resource: str = "desk") -> None:
        super().__init__(account, resource=resource)
        self.states: list[str] = []
        self.losses: list[SignallingError] = []
        self._changed = asyncio.Event()
        self.on_state = self._note
        self.on_lost = self._lose

    def _note(self, state: str) -> None:
        self.states.append(state)
        self._changed.set()

    def _lose(self, error: SignallingError) -> None:
        self.losses.append(error)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_state(self, *states: str) -> None:
        await self.until(lambda: self.states == list(states))


def account(running: LoopbackServer, port: int | None = None, **changes: object) -> Account:
    fields: dict[str, object] = {
        "jid": "alice@localhost",
        "password": "secret",
        "server": ("127.0.0.1", port or running.port),
        "ca_file": running.ca_file,
    }
    return Account(**(fields | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def opened(account: Account) -> AsyncIterator[Watched]:
    """A connection, alone in its test: it leaves no task."""
    before = asyncio.all_tasks()
    connection = Watched(account)
    try:
        await connection.open(PATIENCE)
        yield connection
    finally:
        await connection.aclose()
        await nothing_left(before)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.01)


async def nothing_left(before: set[asyncio.Task[object]]) -> None:
    await eventually(lambda: all(task.get_name() == BESIDE for task in asyncio.all_tasks() - before))


async def failure(account: Account, timeout: float = PATIENCE) -> SignallingError:
    before = asyncio.all_tasks()
    connection = Watched(account)
    with pytest.raises(SignallingError) as caught:
        await connection.open(timeout)
    assert connection.states == ["offline"]
    await nothing_left(before)
    return caught.value


# Logging in


async def test_online(server: LoopbackServer) -> None:
    async with opened(account(server)) as connection:
        assert connection.jid == "alice@localhost/desk"
        assert connection.states == ["online"]
        assert connection.xmpp.client_roster["bob@localhost"]["from"]
    assert connection.states == ["online", "offline"]
    await connection.aclose()
    assert connection.states == ["online", "offline"]


async def test_a_full_jid_keeps_its_resource(server: LoopbackServer) -> None:
    async with opened(account(server, jid="Alice@LOCALHOST/Phone")) as connection:
        assert connection.jid == "alice@localhost/Phone"


@pytest.mark.parametrize("jid", ["", "localhost", "a b@localhost", "@localhost"])
def test_what_names_no_account(jid: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        XmppConnection(Account(jid=jid, password="x"), resource="desk")
    assert caught.value.condition == "jid-malformed"


def test_the_password_is_not_shown(server: LoopbackServer) -> None:
    assert "secret" not in repr(Account(jid="alice@localhost", password="secret"))


async def test_a_wrong_password(server: LoopbackServer) -> None:
    assert (await failure(account(server, password="wrong"))).condition == "not-authorized"


async def test_an_unknown_user(server: LoopbackServer) -> None:
    assert (await failure(account(server, jid="nobody@localhost"))).condition == "not-authorized"


async def test_an_untrusted_server(server: LoopbackServer, tmp_path: Path) -> None:
    _, another = make_tls_context("localhost", tmp_path)
    error = await failure(account(server, ca_file=another))
    assert error.condition == "certificate"
    assert error.text


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SignallingError) as caught:
        XmppConnection(Account(jid="alice@localhost", password="x", ca_file=path), resource="desk")
    assert caught.value.condition == "certificate"


async def test_nobody_listens(server: LoopbackServer) -> None:
    assert (await failure(account(server, 1))).condition == "remote-server-not-found"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70])
async def test_an_unknown_host(server: LoopbackServer, host: str) -> None:
    assert (await failure(account(server, server=(host, 5222)))).condition == "remote-server-not-found"


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def fake_server(behave: Behaviour) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behave(reader, writer)
        finally:
            writer.transport.abort()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(reader: asyncio.StreamReader, token: bytes) -> bytes:
    return await asyncio.wait_for(reader.readuntil(token), PATIENCE)


async def test_a_server_that_says_nothing(server: LoopbackServer) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with fake_server(silent) as port:
        assert (await failure(account(server, port), timeout=0.3)).condition == "timeout"


async def test_a_server_that_hangs_up(server: LoopbackServer) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until(reader, b">")

    async with fake_server(rude) as port:
        assert (await failure(account(server, port))).condition == "connection-failed"


async def test_a_server_that_knows_another_domain(server: LoopbackServer) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until(reader, b">")
        error = "<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        writer.write(f"{HEADER}<stream:error>{error}</stream:error></stream:stream>".encode())
        await reader.read()

    async with fake_server(other) as port:
        assert (await failure(account(server, port))).condition == "host-unknown"


async def test_no_password_without_encryption(server: LoopbackServer) -> None:
    """Somebody on the way who takes STARTTLS out of the offer learns nothing."""
    heard = bytearray()

    async def stripped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until(reader, b">")
        writer.write((HEADER + FEATURES.format(MECHANISMS)).encode())
        heard.extend(await reader.read())

    async with fake_server(stripped) as port:
        assert (await failure(account(server, port))).condition == "no-mechanism"
    assert b"<auth" not in heard


async def secured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    """Go through STARTTLS, up to the features behind it."""
    await _until(reader, b"version='1.0'>")
    writer.write((HEADER + FEATURES.format("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")).encode())
    await _until(reader, b"/>")
    writer.write(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await writer.start_tls(context)
    await _until(reader, b"version='1.0'>")
    writer.write((HEADER + FEATURES.format(MECHANISMS)).encode())


async def test_a_certificate_of_another_domain(server: LoopbackServer, tmp_path: Path) -> None:
    context, ca_file = make_tls_context("localhost", tmp_path)

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await secured(reader, writer, context)

    async with fake_server(impostor) as port:
        error = await failure(account(server, port, jid="alice@elsewhere.example", ca_file=ca_file))
    assert error.condition == "certificate"


async def test_a_server_that_checks_no_passwords_just_now(server: LoopbackServer, tmp_path: Path) -> None:
    context, ca_file = make_tls_context("localhost", tmp_path)

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await secured(reader, writer, context)
        for _ in range(2):
            await _until(reader, b"</auth>")
            failed = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><temporary-auth-failure/></failure>"
            writer.write(failed.encode())
        await reader.read()

    async with fake_server(broken) as port:
        assert (await failure(account(server, port, ca_file=ca_file))).condition == "temporary-auth-failure"


async def test_given_up_at_any_moment(server: LoopbackServer) -> None:
    """Cancelling leaves no task, however far the login has come."""
    for pause in (0.0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16):
        before = asyncio.all_tasks()
        connection = Watched(account(server))
        opening = asyncio.ensure_future(connection.open(PATIENCE))
        await asyncio.sleep(pause)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await connection.aclose()
        assert connection.states[-1] == "offline"
        await nothing_left(before)


# Coming back


async def test_a_cut_connection_is_resumed(server: LoopbackServer, line: Line) -> None:
    """The session goes on: same address, and what was sent meanwhile arrives, in order."""
    bob = Watched(account(server, jid="bob@localhost"))
    await bob.open(PATIENCE)
    async with opened(account(server, line.port)) as alice:
        received: asyncio.Queue[str] = asyncio.Queue()
        alice.xmpp.add_event_handler("message", lambda message: received.put_nowait(str(message["body"])))
        line.cut()
        await alice.until_state("online", "interrupted")
        sent: asyncio.Queue[str] = asyncio.Queue()
        bob.xmpp.add_event_handler("message", lambda message: sent.put_nowait(str(message["body"])))
        for number in range(3):
            alice.xmpp.send_message(bob.xmpp.boundjid, f"up {number}")
            bob.xmpp.send_message(alice.xmpp.boundjid, f"down {number}")
        await alice.until_state("online", "interrupted", "resumed")
        assert [await asyncio.wait_for(received.get(), PATIENCE) for _ in range(3)] == ["down 0", "down 1", "down 2"]
        assert [await asyncio.wait_for(sent.get(), PATIENCE) for _ in range(3)] == ["up 0", "up 1", "up 2"]
        assert alice.jid == "alice@localhost/desk"
    await bob.aclose()


async def test_what_was_about_to_leave_is_not_lost(server: LoopbackServer, line: Line) -> None:
    async with opened(account(server, line.port)) as connection:
        await eventually(lambda: connection.xmpp.waiting_queue.empty())
        connection.xmpp.send_presence(pstatus="on the phone")
        line.cut()
        await connection.until_state("online", "interrupted", "resumed")
        (session,) = server._domain.accounts["alice"].sessions.values()
        await eventually(lambda: session.presence is not None and "on the phone" in str(session.presence.inner))


async def test_a_session_that_is_gone_is_begun_anew(server: LoopbackServer, line: Line) -> None:
    async with opened(account(server, line.port)) as connection:
        line.refuses = True
        line.cut()
        await connection.until_state("online", "interrupted")
        (session,) = server._domain.accounts["alice"].sessions.values()
        server._domain.end(session, lost=False)
        line.refuses = False
        await connection.until_state("online", "interrupted", "restarted")
        sessions = server._domain.accounts["alice"].sessions
        await eventually(lambda: [each.presence is not None for each in sessions.values()] == [True])


async def test_it_is_tried_again_at_our_own_pace(
    server: LoopbackServer, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """slixmpp by itself would wait a second after the first attempt, and longer each time."""
    monkeypatch.setattr(module, "RECONNECT_DELAYS", (0.0, 0.02))
    async with opened(account(server, line.port)) as connection:
        line.refuses = True
        line.cut()
        await eventually(lambda: line.dialled >= 8)
        assert connection.states == ["online", "interrupted"]
        line.refuses = False
        await connection.until_state("online", "interrupted", "resumed")


async def test_a_port_that_is_closed_is_tried_again(server: LoopbackServer, line: Line) -> None:
    async with opened(account(server, line.port)) as connection:
        assert line._listener is not None
        line._listener.close()
        line.cut()
        await connection.until_state("online", "interrupted")
        await asyncio.sleep(0.3)
        line._listener = await asyncio.start_server(line._accept, "127.0.0.1", line.port)
        await connection.until_state("online", "interrupted", "resumed")


async def test_a_dead_connection_is_noticed(
    server: LoopbackServer, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEPALIVE_INTERVAL", 0.05)
    monkeypatch.setattr(module, "KEEPALIVE_TIMEOUT", 0.1)
    async with opened(account(server, line.port)) as connection:
        await asyncio.sleep(0.2)
        assert connection.states == ["online"]
        line.is_stuck = True
        await connection.until_state("online", "interrupted")
        line.is_stuck = False
        await connection.until(lambda: connection.states[-1] == "resumed")


async def test_the_address_that_the_stream_uses_is_gone(server: LoopbackServer, line: Line) -> None:
    """TCP would go on sending from it for minutes; another address is none of its business."""
    async with opened(account(server, line.port)) as connection:
        connection.addresses_changed(frozenset({"192.0.2.1"}), frozenset())
        await asyncio.sleep(0.1)
        assert connection.states == ["online"]
        connection.addresses_changed(frozenset({"127.0.0.1"}), frozenset())
        await connection.until_state("online", "interrupted", "resumed")


async def test_with_another_address_the_way_is_tried(
    server: LoopbackServer, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NEW_NETWORK_TIMEOUT", 0.2)
    async with opened(account(server, line.port)) as connection:
        connection.addresses_changed(frozenset(), frozenset({"192.0.2.1"}))
        await asyncio.sleep(0.4)
        assert connection.states == ["online"]
        line.is_stuck = True
        connection.addresses_changed(frozenset(), frozenset({"192.0.2.2"}))
        await connection.until_state("online", "interrupted")
        line.is_stuck = False
        await connection.until(lambda: connection.states[-1] == "resumed")


async def test_with_another_address_nothing_is_waited_for(
    server: LoopbackServer, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECONNECT_DELAYS", (0.0, 60.0))
    async with opened(account(server, line.port)) as connection:
        line.refuses = True
        line.cut()
        await eventually(lambda: line.dialled >= 2)
        await eventually(lambda: connection._attempts == 2)
        line.refuses = False
        connection.addresses_changed(frozenset(), frozenset({"192.0.2.1"}))
        await connection.until_state("online", "interrupted", "resumed")


async def test_whoever_takes_our_resource_keeps_it(server: LoopbackServer, line: Line) -> None:
    async with opened(account(server, line.port)) as connection:
        (session,) = server._domain.accounts["alice"].sessions.values()
        assert session.wire is not None
        session.wire.close("conflict")
        await connection.until(lambda: bool(connection.losses))
        assert connection.losses[0].condition == "conflict"
        await asyncio.sleep(0.3)
        assert line.dialled == 1


async def test_a_changed_password_is_not_tried_for_ever(server: LoopbackServer, line: Line) -> None:
    async with opened(account(server, line.port)) as connection:
        connection.xmpp.password = "wrong"
        line.cut()
        await connection.until(lambda: bool(connection.losses))
        assert connection.losses[0].condition == "not-authorized"


async def test_closing_while_away(server: LoopbackServer, line: Line) -> None:
    for pause in (0.0, 0.12):
        async with opened(account(server, line.port)) as connection:
            line.cut()
            await connection.until_state("online", "interrupted")
            await asyncio.sleep(pause)


async def test_closing_when_the_server_is_stuck(server: LoopbackServer, line: Line) -> None:
    async with opened(account(server, line.port)):
        line.is_stuck = True
        before = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before < 3
