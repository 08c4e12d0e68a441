"""Looking for what keeps calls from working: the server, the network, the peer; each with a verdict and advice."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..elements.file_transfer import NS as NS_FILES
from ..elements.jids import bare
from ..elements.rtp import FEATURE_AUDIO, FEATURE_VIDEO
from ..errors import JingleError, SignallingError, TransportFailed
from ..signalling.binding import address
from ..signalling.discovery import NS_JINGLE, NS_JINGLE_MESSAGE, Device
from ..signalling.lookup import find_server
from ..signalling.messages import NS_CARBONS, NS_MAM
from ..transports.base import IceServer
from ..transports.ice_settings import IceSettings
from ..transports.reachability import NatMapping, find_mapping, try_server
from .connect import connect, hidden_from
from .peer import Peer

PATIENCE = 5.0
"""Seconds that a STUN or TURN server may take."""

HIDDEN = "only relays are used, so that no STUN server learns our address"


class Verdict(enum.Enum):
    """How a check came out."""

    GOOD = "ok"
    WARNING = "warning"
    """Calls work, but not always."""

    BAD = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check and what came of it."""

    check: str
    """`dns`, `login`, `server`, `services`, `proxies`, `stun`, `turn-udp`, `turn-tcp`, `turn-tls`, `nat` or `peer`."""

    verdict: Verdict
    text: str
    advice: str = ""
    error: JingleError | None = None


async def examine(jid: str, password: str, *, peer: str | None = None, **options: Any) -> AsyncIterator[Finding]:
    """Check everything that a call needs, in order; ends with the first thing without which nothing else works.

    Args:
        jid: The account.
        password: Its password.
        peer: Somebody whose devices to look at: bare or full JID.
        options: As of `connect`.

    Raises:
        LocalProtocolError: `jid` or `peer` is not a JID.
    """
    jid, peer = address(jid), address(peer) if peer is not None else None
    lookup = await _dns(jid.partition("@")[2].partition("/")[0], options.get("server"))
    yield lookup
    if lookup.verdict is Verdict.BAD:
        return
    try:
        me = await connect(jid, password, **options)
    except SignallingError as exc:
        yield Finding(check="login", verdict=Verdict.BAD, text=str(exc), error=exc)
        return
    async with me:
        yield Finding(check="login", verdict=Verdict.GOOD, text=f"online as {me.jid}, over TLS")
        async for finding in _server(me):
            yield finding
        offered = await me.pump.services.ice_servers()
        configured = tuple(options.get("ice_servers", ()))
        yield _services(offered, configured)
        yield await _proxies(me)
        settings = IceSettings(loopback=bool(options.get("loopback")), gather_timeout=PATIENCE)
        from_all, _ = hidden_from(options.get("relay_only", False))
        async for finding in _network((*configured, *offered), settings, is_hidden=from_all):
            yield finding
        if peer is not None:
            async for finding in _peer(me, peer):
                yield finding


async def _dns(domain: str, server: tuple[str, int] | None) -> Finding:
    if server is not None:
        return Finding(check="dns", verdict=Verdict.SKIPPED, text=f"{server[0]}:{server[1]} was given")
    try:
        found = await find_server(domain)
    except SignallingError as exc:
        advice = "check the part of the JID behind the @, or name the server with --server"
        return Finding(check="dns", verdict=Verdict.BAD, text=str(exc), advice=advice, error=exc)
    places = ", ".join(dict.fromkeys(f"{each.host}:{each.port}" for each in found[:8]))
    return Finding(check="dns", verdict=Verdict.GOOD, text=f"{domain} is at {places}")


async def _server(me: Peer) -> AsyncIterator[Finding]:
    """What the server has that calls to several devices, and over bad networks, live on."""
    binding, discovery = me.pump.binding, me.pump.discovery
    account = bare(me.jid)
    told = await asyncio.gather(*(discovery.features_of(each) for each in (account.partition("@")[2], account)))
    features = told[0] | told[1]
    wanted = {
        "no stream management (XEP-0198): a call cannot be signalled while the connection is away": binding.resumes,
        "no message carbons (XEP-0280): other devices go on ringing": NS_CARBONS in features,
        "no archive (XEP-0313): calls that come while nobody is online leave no trace": NS_MAM in features,
    }
    missing = [name for name, there in wanted.items() if not there]
    if missing:
        text = "; ".join(missing)
        advice = "ask whoever runs the server for the missing modules"
        yield Finding(check="server", verdict=Verdict.WARNING, text=text, advice=advice)
    else:
        yield Finding(check="server", verdict=Verdict.GOOD, text="it resumes streams, copies messages and keeps them")


def _services(offered: Sequence[IceServer], configured: Sequence[IceServer]) -> Finding:
    stun = sum(each.scheme == "stun" for each in offered)
    turn = sum(each.scheme in ("turn", "turns") for each in offered)
    text = f"the server offers {stun} STUN and {turn} TURN (XEP-0215)"
    if configured:
        text += f"; {len(configured)} more by option"
    if offered or configured:
        return Finding(check="services", verdict=Verdict.GOOD, text=text)
    advice = "name some with --stun and --turn, or ask whoever runs the server for XEP-0215"
    return Finding(check="services", verdict=Verdict.WARNING, text=text, advice=advice)


async def _proxies(me: Peer) -> Finding:
    try:
        proxies = await me.pump.binding.find_proxies()
    except SignallingError as exc:
        return Finding(check="proxies", verdict=Verdict.WARNING, text=f"the server does not say: {exc}")
    if proxies:
        places = ", ".join(f"{each.host}:{each.effective_port}" for each in proxies)
        return Finding(check="proxies", verdict=Verdict.GOOD, text=f"files can go over {places} (XEP-0065)")
    advice = "files go over data channels, or in-band and slowly, where peers cannot reach each other"
    return Finding(check="proxies", verdict=Verdict.WARNING, text="no SOCKS5 proxy (XEP-0065)", advice=advice)


async def _network(servers: Sequence[IceServer], settings: IceSettings, *, is_hidden: bool) -> AsyncIterator[Finding]:
    stun = [each for each in servers if each.scheme == "stun"]
    if is_hidden:
        yield Finding(check="stun", verdict=Verdict.SKIPPED, text=HIDDEN)
    elif stun:
        yield await _try("stun", stun, settings)
    else:
        advice = "without one, peers in other networks cannot be reached directly: --stun HOST:PORT"
        yield Finding(check="stun", verdict=Verdict.WARNING, text="there is none to ask", advice=advice)
    for name, scheme, transport, why in (
        ("turn-udp", "turn", "udp", "between two networks that keep each other out"),
        ("turn-tcp", "turn", "tcp", "from networks without UDP"),
        ("turn-tls", "turns", "tcp", "from networks that let only the web through"),
    ):
        relays = [each for each in servers if (each.scheme, each.transport) == (scheme, transport)]
        if relays:
            yield await _try(name, relays, settings)
        else:
            advice = f"without one, calls {why} fail: --turn {scheme}:USER:PASS@HOST:PORT" + (
                "?transport=tcp" if name == "turn-tcp" else ""
            )
            yield Finding(check=name, verdict=Verdict.WARNING, text="there is none to ask", advice=advice)
    if is_hidden:
        yield Finding(check="nat", verdict=Verdict.SKIPPED, text=HIDDEN)
    else:
        yield await _nat([each for each in servers if each.scheme == "stun" or each.transport == "udp"], settings)


async def _try(check: str, servers: Sequence[IceServer], settings: IceSettings) -> Finding:
    """Good where one of them works."""
    told = []
    for server in servers:
        name = f"{server.host}:{server.port}"
        try:
            reached = await try_server(server, settings)
        except TransportFailed as exc:
            told.append(f"{name}: {exc.text}")
            continue
        sees = "sees our own address" if check == "stun" else "gives a relay"
        what = f"{'sees us at' if check == 'stun' else 'relays at'} {reached.address}" if reached.address else sees
        text = f"{name} {what} ({1000 * reached.seconds:.0f} ms)"
        return Finding(check=check, verdict=Verdict.GOOD, text="; ".join([*told, text]))
    advice = "check address, port, user and password, and whether this network lets it through"
    return Finding(check=check, verdict=Verdict.BAD, text="; ".join(told), advice=advice)


async def _nat(servers: Sequence[IceServer], settings: IceSettings) -> Finding:
    if not servers:
        return Finding(check="nat", verdict=Verdict.SKIPPED, text="it takes a STUN server to see it")
    try:
        mapping = await find_mapping(servers, settings)
    except TransportFailed as exc:
        advice = "it may be that UDP is kept out altogether; TURN over TCP or TLS helps then"
        return Finding(check="nat", verdict=Verdict.BAD, text=exc.text, advice=advice)
    match mapping:
        case NatMapping.NONE:
            return Finding(check="nat", verdict=Verdict.GOOD, text="none: addresses are not translated")
        case NatMapping.INDEPENDENT:
            return Finding(check="nat", verdict=Verdict.GOOD, text="endpoint-independent: most peers can reach us")
        case NatMapping.DEPENDENT:
            advice = "a TURN server is needed for peers that are behind such a one too"
            return Finding(check="nat", verdict=Verdict.WARNING, text="address-dependent (symmetric)", advice=advice)
        case NatMapping.UNKNOWN:
            advice = "name another STUN server, and its kind can be told: --stun HOST:PORT"
            return Finding(check="nat", verdict=Verdict.WARNING, text="there is one", advice=advice)


async def _peer(me: Peer, peer: str) -> AsyncIterator[Finding]:
    discovery = me.pump.discovery
    if "/" in peer:
        devices: Sequence[Device] = [Device(jid=peer, priority=0, features=await discovery.features_of(peer))]
    else:
        devices = await discovery.devices(peer, contact=me.pump.binding.is_contact(peer))
    if not devices:
        advice = "they are offline, or do not show it to us; a call rings them all the same where they are"
        yield Finding(check="peer", verdict=Verdict.WARNING, text=f"no device of {peer} is to be seen", advice=advice)
    for device in devices:
        yield _device(device)


def _device(device: Device) -> Finding:
    can = [
        name
        for name, wanted in (
            ("voice", {NS_JINGLE, FEATURE_AUDIO}),
            ("video", {NS_JINGLE, FEATURE_VIDEO}),
            ("files", {NS_JINGLE, NS_FILES}),
            ("ringing on all devices", {NS_JINGLE_MESSAGE}),
        )
        if wanted <= device.features
    ]
    if not device.features:
        advice = "it is gone, or answers only those whom it lets in"
        return Finding(check="peer", verdict=Verdict.WARNING, text=f"{device.jid} does not say", advice=advice)
    if "voice" not in can:
        advice = "it needs a client with calls, such as `jingle answer`"
        return Finding(check="peer", verdict=Verdict.BAD, text=f"{device.jid} takes no calls", advice=advice)
    return Finding(check="peer", verdict=Verdict.GOOD, text=f"{device.jid} has {', '.join(can)}")
