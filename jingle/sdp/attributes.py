"""The table of attributes: for each name how its value is read, and how it is written.

Candidates of a kind nobody has heard of are kept as attributes without a field.
"""

from __future__ import annotations

from typing import Any

from ..elements import rtp
from ..elements.ice_udp import SctpMap, Setup
from ..elements.rtp import Direction
from ..elements.values import UNSIGNED_BYTE, UNSIGNED_INT, UNSIGNED_LONG, UNSIGNED_SHORT
from .attribute_kinds import Rule, flag, many, single, whole, word
from .attributes_rtp import CODEC_RULES, EXTENSION_RULES, SOURCE_RULES, STREAM_RULES
from .candidates import format_candidate, read_candidate
from .draft import SPACE, Draft, Malformed, cut, member, number, shown, split, words
from .model import Connection, Fingerprint, Group, RemoteCandidate, Rtcp
from .rules import TOKEN

# Security.


def _read_fingerprint(value: str) -> Fingerprint:
    hash, found, *_ = words(value, 2, "the fingerprint")
    return Fingerprint(hash=hash, value=found)


def _read_crypto(value: str) -> rtp.Crypto:
    tag, suite, keys, *session = cut(value, 3, "the key")
    return rtp.Crypto(tag=tag, crypto_suite=suite, key_params=keys, session_params=session[0] if session else None)


def _format_crypto(value: rtp.Crypto) -> str:
    session = f" {value.session_params}" if value.session_params is not None else ""
    return f"{value.tag} {value.crypto_suite} {value.key_params}{session}"


def _read_mid(value: str) -> str:
    found = value.strip(SPACE)
    if not TOKEN.fullmatch(found):
        raise Malformed(f"the mid {shown(value)} is not a token")
    return found


# Groups, addresses, transports.


def _read_group(value: str) -> Group:
    semantics, *mids = words(value, 1, "the group")
    return Group(semantics=semantics, mids=tuple(mids))


def read_connection(value: str) -> Connection:
    """Read the value of a `c=` line."""
    parts = words(value, 3, "the address")
    return Connection(network_type=parts[0], address_type=parts[1], address=parts[2])


def format_connection(value: Connection) -> str:
    """Write the value of a `c=` line."""
    return f"{value.network_type} {value.address_type} {value.address}"


def read_rtcp(value: str) -> Rtcp:
    """Read the value of `a=rtcp`."""
    port, _, rest = value.strip(SPACE).partition(" ")
    return Rtcp(
        port=number(port, UNSIGNED_SHORT, "port"), connection=read_connection(rest) if rest.strip(SPACE) else None
    )


def format_rtcp(value: Rtcp) -> str:
    """Write the value of `a=rtcp`."""
    return f"{value.port} {format_connection(value.connection)}" if value.connection else str(value.port)


def _read_remote_candidates(draft: Draft, value: str) -> None:
    parts = words(value, 3, "the remote candidates")
    if len(parts) % 3:
        raise Malformed("remote candidates come in threes: component, address, port")
    for component, address, port in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        found = RemoteCandidate(
            component=number(component, UNSIGNED_BYTE, "component"),
            address=address,
            port=number(port, UNSIGNED_SHORT, "port"),
        )
        draft.add("remote_candidates", found)


def _write_remote_candidates(section: Any, lines: list[str]) -> None:
    if section.remote_candidates:
        parts = [f"{each.component} {each.address} {each.port}" for each in section.remote_candidates]
        lines.append(f"a=remote-candidates:{' '.join(parts)}")


def _read_candidate(draft: Draft, value: str) -> None:
    found = read_candidate(value)
    if found is None:
        draft.keep("candidate", value)
    else:
        draft.add("candidates", found)


def _write_candidate(section: Any, lines: list[str]) -> None:
    lines.extend([f"a=candidate:{format_candidate(each)}" for each in section.candidates])


def _read_sctpmap(draft: Draft, value: str) -> None:
    port, protocol, *streams = words(value, 2, "the SCTP map")
    made = SctpMap(
        number=number(port, UNSIGNED_SHORT, "SCTP port"),
        protocol=protocol,
        streams=number(streams[0], UNSIGNED_INT, "number of streams") if streams else None,
    )
    draft.put("sctp_map", made)


def _write_sctpmap(section: Any, lines: list[str]) -> None:
    found = section.sctp_map
    if found is not None:
        streams = f" {found.streams}" if found.streams is not None else ""
        lines.append(f"a=sctpmap:{found.number} {found.protocol}{streams}")


def _read_ice_options(draft: Draft, value: str) -> None:
    for option in split(value):
        if option not in draft.values.get("ice_options", ()):
            draft.add("ice_options", option)


def _write_ice_options(section: Any, lines: list[str]) -> None:
    if section.ice_options:
        lines.append(f"a=ice-options:{' '.join(section.ice_options)}")


def _direction(direction: Direction) -> Rule:
    def read(draft: Draft, value: str) -> None:
        draft.put("direction", direction)

    def write(section: Any, lines: list[str]) -> None:
        if section.direction is direction:
            lines.append(f"a={direction.value}")

    return Rule(direction.value, read, write, "both")


RULES: tuple[Rule, ...] = (
    many("group", "groups", _read_group, lambda value: " ".join([value.semantics, *value.mids]), "session"),
    flag("ice-lite", "ice_lite", "session"),
    single("rtcp", "rtcp", read_rtcp, format_rtcp),
    Rule("candidate", _read_candidate, _write_candidate),
    Rule("remote-candidates", _read_remote_candidates, _write_remote_candidates),
    flag("end-of-candidates", "end_of_candidates", "both"),
    single("ice-ufrag", "ice_ufrag", word("ufrag"), str, "both"),
    single("ice-pwd", "ice_pwd", word("password"), str, "both"),
    Rule("ice-options", _read_ice_options, _write_ice_options, "both"),
    many("fingerprint", "fingerprints", _read_fingerprint, lambda value: f"{value.hash} {value.value}", "both"),
    single(
        "setup",
        "setup",
        lambda value: member(Setup, value.strip(SPACE), "setup"),
        lambda value: str(value.value),
        "both",
    ),
    single("mid", "mid", _read_mid, str),
    *EXTENSION_RULES,
    flag("extmap-allow-mixed", "extmap_allow_mixed", "both"),
    *(_direction(each) for each in Direction),
    *STREAM_RULES,
    flag("bundle-only", "bundle_only"),
    flag("rtcp-mux", "rtcp_mux"),
    flag("rtcp-rsize", "rtcp_reduced_size"),
    *CODEC_RULES,
    many("crypto", "cryptos", _read_crypto, _format_crypto),
    *SOURCE_RULES,
    single("sctp-port", "sctp_port", whole(UNSIGNED_SHORT, "SCTP port"), str),
    Rule("sctpmap", _read_sctpmap, _write_sctpmap),
    single("max-message-size", "max_message_size", whole(UNSIGNED_LONG, "message size"), str),
)
"""In the order they are written in, which is that of browsers where it matters to a reader."""
