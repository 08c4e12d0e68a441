"""RFC 6120 sections 5 to 7: TLS first, then the password, then a resource; with slixmpp and byte by byte."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from jingle.demo import LoopbackServer
from jingle.demo.certificate import make_tls_context

from .clients import HEADER, SASL, STARTTLS, Client, Wire
from .conftest import Dial, Login


async def test_slixmpp_logs_in_with_the_ca_verified(server: LoopbackServer) -> None:
    alice = Client(server, "alice@localhost/desk")
    alice.ssl_context = ssl.create_default_context()
    alice.ca_certs = server.ca_file
    await alice.go_online()
    assert alice.boundjid.full == "alice@localhost/desk"
    assert alice.ssl_context.verify_mode == ssl.CERT_REQUIRED
    assert alice.ssl_context.check_hostname
    await alice.hang_up()


@pytest.mark.parametrize("jid", ["alice@localhost", "nobody@localhost"])
async def test_a_wrong_password_and_a_wrong_name_fail_alike(server: LoopbackServer, jid: str) -> None:
    client = Client(server, jid, "wrong")
    client.dial()
    await client.take("failed_all_auth")
    assert client.happened["session_start"].empty()
    await client.hang_up()


async def test_another_authority_is_not_trusted(server: LoopbackServer, tmp_path: Path) -> None:
    client = Client(server, "alice@localhost")
    _, another = make_tls_context("localhost", tmp_path)
    client.ssl_context = ssl.create_default_context(cafile=another)
    client.dial()
    error = await client.take("ssl_invalid_chain")
    assert isinstance(error, ssl.SSLCertVerificationError)
    await client.hang_up()


async def test_the_certificate_names_every_way_to_reach_the_server(server: LoopbackServer) -> None:
    context = ssl.create_default_context(cafile=server.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1", "::1"):
        wire = await Wire.dial(server)
        await wire.open()
        wire.send(STARTTLS)
        await wire.until(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await wire.writer.start_tls(context, server_hostname=name)
        assert b"SCRAM-SHA-256" in await wire.open()
        await wire.aclose()


def test_a_domain_of_its_own_is_certified(tmp_path: Path) -> None:
    from cryptography import x509

    for domain in ("chat.example", "127.0.0.7", "bücher.example"):
        context, _ = make_tls_context(domain, tmp_path)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]  # no private key is left on the disk


async def test_before_tls_nothing_but_tls_is_offered(dial: Dial) -> None:
    features = await (await dial()).open()
    assert b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>" in features
    assert b"mechanism" not in features
    assert b"bind" not in features


@pytest.mark.parametrize("early", [b"<auth xmlns='%b' mechanism='SCRAM-SHA-1'/>" % SASL, b"<presence/>", b"<iq/>"])
async def test_before_tls_nothing_else_is_taken(dial: Dial, early: bytes) -> None:
    wire = await dial()
    await wire.open()
    wire.send(early)
    assert b"<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in await wire.rest()


async def test_what_is_slipped_in_behind_starttls_is_dropped(server: LoopbackServer, dial: Dial) -> None:
    """Injected in the clear, answered after TLS: the old STARTTLS flaw."""
    wire = await dial()
    await wire.open()
    wire.send(STARTTLS + HEADER + b"<auth xmlns='%b' mechanism='NONSENSE'>=</auth>" % SASL)
    await wire.until(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await wire.writer.start_tls(ssl.create_default_context(cafile=server.ca_file), server_hostname="localhost")
    assert b"failure" not in await wire.open()
    assert (await wire.authenticate("alice")).startswith(b"<success")


async def test_a_client_in_a_hurry(server: LoopbackServer, dial: Dial) -> None:
    """Its last handshake message and its stream header come in one packet, as TLS 1.3 allows."""
    wire = await dial()
    await wire.open()
    wire.send(STARTTLS)
    await wire.until(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=server.ca_file)
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    for step in (tls.do_handshake, lambda: tls.write(HEADER), lambda: tls.read(65536)):
        while True:
            try:
                answer = step()
                break
            except ssl.SSLWantReadError:
                wire.send(outgoing.read())
                incoming.write(await wire.reader.read(65536))
    assert isinstance(answer, bytes)
    assert b"<mechanism>SCRAM-SHA-256</mechanism>" in answer


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
async def test_tls_1_3(server: LoopbackServer, dial: Dial, mechanism: str) -> None:
    wire = await dial()
    assert b"-PLUS" not in await wire.start_tls(server, version=ssl.TLSVersion.TLSv1_3)
    assert (await wire.authenticate("alice", mechanism=mechanism)).startswith(b"<success")


async def test_tls_1_2_with_channel_binding(server: LoopbackServer, dial: Dial) -> None:
    wire = await dial()
    assert b"<mechanism>SCRAM-SHA-256-PLUS</mechanism>" in await wire.start_tls(server, version=ssl.TLSVersion.TLSv1_2)
    assert (await wire.authenticate("alice", mechanism="SCRAM-SHA-256-PLUS")).startswith(b"<success")


async def test_slixmpp_over_tls_1_2_binds_the_channel(server: LoopbackServer) -> None:
    client = Client(server, "alice@localhost/old")
    client.ssl_context.maximum_version = ssl.TLSVersion.TLSv1_2
    await client.go_online()
    mechanism: Any = client.plugin["feature_mechanisms"].mech
    assert mechanism.name == "SCRAM-SHA-256-PLUS"
    await client.hang_up()


async def test_the_initial_response_may_come_later(server: LoopbackServer, dial: Dial) -> None:
    wire = await dial()
    await wire.start_tls(server)
    wire.send(b"<auth xmlns='%b' mechanism='SCRAM-SHA-256'/>" % SASL)
    assert await wire.until(b">") == b"<challenge xmlns='%b'/>" % SASL
    wire.send(b"<abort xmlns='%b'/>" % SASL)
    assert b"<aborted/>" in await wire.until(b"</failure>")
    wire.send(b"<response xmlns='%b'>AAAA</response>" % SASL)
    assert b"<malformed-request/>" in await wire.until(b"</failure>")


async def test_attempts_are_counted(server: LoopbackServer, dial: Dial) -> None:
    wire = await dial()
    await wire.start_tls(server)
    for _ in range(3):
        assert b"<not-authorized/>" in await wire.authenticate("alice", "wrong")
    assert b"<policy-violation" in await wire.rest()


async def test_a_right_password_after_a_wrong_one(server: LoopbackServer, dial: Dial) -> None:
    wire = await dial()
    await wire.start_tls(server)
    assert b"<not-authorized/>" in await wire.authenticate("alice", "wrong")
    assert (await wire.authenticate("Alice")).startswith(b"<success")
    await wire.open()
    assert b"<jid>alice@localhost/here</jid>" in await wire.bind("here")


async def test_before_login_no_stanzas(server: LoopbackServer, dial: Dial) -> None:
    wire = await dial()
    await wire.start_tls(server)
    wire.send(b"<message to='bob@localhost'><body>hi</body></message>")
    assert b"<not-authorized" in await wire.rest()


async def test_before_binding_no_stanzas(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "alice", None)
    wire.send(b"<message to='bob@localhost'><body>hi</body></message>")
    assert b"<not-authorized" in await wire.rest()


async def test_a_resource_in_use_stays_where_it_is(login: Login) -> None:
    first, second = await login("alice@localhost/desk"), await login("alice@localhost/desk")
    assert first.boundjid.full == "alice@localhost/desk"
    assert second.boundjid.full not in ("", first.boundjid.full)
    await second.ping(first.boundjid.full)


async def test_a_resource_is_made_up_where_none_is_asked_for(login: Login) -> None:
    assert len((await login("alice@localhost")).boundjid.resource) == 16


async def test_an_impossible_resource(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "alice", None)
    assert b"<bad-request" in await wire.bind("x" * 2000)
    assert b"<jid>alice@localhost/x</jid>" in await wire.bind("x")


@pytest.mark.parametrize(
    ("header", "condition"),
    [
        (HEADER.replace(b"localhost", b"elsewhere"), b"host-unknown"),
        (HEADER.replace(b"1.0", b"0.9"), b"unsupported-version"),
        (HEADER.replace(b"version='1.0'", b""), b"unsupported-version"),
        (HEADER.replace(b"jabber:client", b"jabber:server"), b"invalid-namespace"),
        (HEADER.replace(b"etherx.jabber.org", b"example.org"), b"invalid-namespace"),
    ],
)
async def test_a_wrong_header_gets_a_header_and_an_error(dial: Dial, header: bytes, condition: bytes) -> None:
    wire = await dial()
    wire.send(header)
    answer = await wire.rest()
    assert answer.startswith(b"<?xml version='1.0'?><stream:stream ")
    assert b"<stream:error><%b " % condition in answer
    assert answer.endswith(b"</stream:stream>")


async def test_a_goodbye_is_answered(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "alice")
    wire.send(b"</stream:stream>")
    assert await wire.rest() == b"</stream:stream>"
