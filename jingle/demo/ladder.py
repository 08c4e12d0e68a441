"""A stanza ladder: who sent what to whom and when, one line a stanza, for people to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from xml.etree import ElementTree as ET

from .markup import STREAM_NAMESPACE

_GAP = 38  # characters between two neighbours
_CLIENT = "{jabber:client}"
_JINGLE = "{urn:xmpp:jingle:1}"
_FORWARDED = "{urn:xmpp:forward:0}forwarded"


class Observed(NamedTuple):
    """A stanza as `LoopbackServer.stanzas` reports it."""

    direction: str
    jid: str
    xml: str
    time: float


class _Rung(NamedTuple):
    time: float
    begin: str
    end: str
    label: str


def draw_ladder(stanzas: Iterable[Observed], *, server: str = "server") -> str:
    """Draw what a server has seen.

    The server stands in the second column; a stanza between two clients runs past it. What only passes
    through the server is drawn once, at the time it came in.

    Args:
        stanzas: In the order they were seen.
        server: What to call the server.

    Returns:
        Lines of text; times are milliseconds since the first stanza. `""` for no stanzas.
    """
    rungs = _rungs(list(stanzas), server)
    if not rungs:
        return ""
    names = list(dict.fromkeys(name for rung in rungs for name in (rung.begin, rung.end) if name != server))
    columns = [*names[:1], server, *names[1:]]
    places = {name: index * _GAP for index, name in enumerate(columns)}
    lines = ["".join(f"{name[: _GAP - 2]:<{_GAP}}" for name in columns).rstrip()]
    lines += [_line(rung, places) for rung in rungs]
    return "\n".join(f"{'ms' if i == 0 else _offset(rungs, i - 1):>9}  {line}" for i, line in enumerate(lines)) + "\n"


def _offset(rungs: list[_Rung], index: int) -> str:
    return f"{(rungs[index].time - rungs[0].time) * 1000:.1f}"


def _line(rung: _Rung, places: dict[str, int]) -> str:
    left, right = sorted((places[rung.begin], places[rung.end]))
    line = [" "] * (max(places.values()) + 1)
    for place in places.values():
        line[place] = "|"
    if left == right:  # to oneself
        return "".join(line).rstrip() + f" {rung.label}"
    room = right - left - 1
    label = f" {_shorten(rung.label, room - 6)} "
    arrow = f"{label:-^{room}}"
    line[left + 1 : right] = f"{arrow[:-1]}>" if places[rung.begin] == left else f"<{arrow[1:]}"
    return "".join(line)


def _shorten(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _rungs(stanzas: list[Observed], server: str) -> list[_Rung]:
    clients = {seen.jid for seen in stanzas}
    devices: dict[str, list[str]] = {}
    for jid in dict.fromkeys(seen.jid for seen in stanzas):
        devices.setdefault(jid.partition("/")[0], []).append(jid)
    requests: dict[tuple[str, str], str] = {}
    rungs = []
    for seen in stanzas:
        stanza = _parse(seen.xml)
        sender = stanza.get("from", "")
        label = _describe(stanza, requests)
        if seen.direction == "received":
            if stanza.tag == f"{_CLIENT}iq" and stanza.get("type") in ("get", "set"):
                requests[seen.jid, stanza.get("id", "")] = label
            rungs.append(_Rung(seen.time, seen.jid, _receiver(stanza, devices) or server, label))
        elif sender not in clients:
            rungs.append(_Rung(seen.time, server, seen.jid, label))
        elif sender != seen.jid and _receiver(stanza, devices) is None:
            rungs.append(_Rung(seen.time, server, seen.jid, f"{label} of {sender}"))
    return rungs


def _receiver(stanza: ET.Element, devices: dict[str, list[str]]) -> str | None:
    """The one client a stanza goes to; `None` where the server answers it or passes it to several."""
    to = stanza.get("to", "")
    account = devices.get(to.partition("/")[0], [])
    if to in account:
        return to
    return account[0] if to in devices and len(account) == 1 and _name(stanza) == "message" else None


def _parse(xml: str) -> ET.Element:
    return ET.fromstring(f'<s xmlns="jabber:client" xmlns:stream="{STREAM_NAMESPACE}">{xml}</s>')[0]


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _namespace(element: ET.Element) -> str:
    return element.tag.partition("}")[0][1:]


def _describe(stanza: ET.Element, requests: dict[tuple[str, str], str]) -> str:
    """Put a stanza into a few words."""
    kind, type_ = _name(stanza), stanza.get("type")
    if type_ == "error":
        conditions = [_name(child) for child in stanza.findall(f"{_CLIENT}error/*") if _name(child) != "text"]
        return " ".join(["error:", *conditions])
    if kind == "iq" and type_ == "result":
        asked = requests.pop((stanza.get("to", ""), stanza.get("id", "")), None)
        return f"result ({asked})" if asked else "result"
    if kind == "presence":
        return f"presence {type_}" if type_ else "presence"
    payloads = [_payload(child) for child in stanza]
    return ", ".join(dict.fromkeys(text for text in payloads if text)) or kind


def _payload(element: ET.Element) -> str:
    name, namespace = _name(element), _namespace(element)
    if namespace == _JINGLE[1:-1]:
        return _jingle(element)
    if namespace.startswith("urn:xmpp:jingle-message:"):
        media = [child.get("media", "") for child in element if _name(child) == "description"]
        return " ".join(["message", name, *media]).strip()
    if namespace == "http://jabber.org/protocol/ibb":
        return f"ibb {name}" + (f" #{element.get('seq')} {len(element.text or '')} B" if name == "data" else "")
    if namespace == "urn:xmpp:carbons:2" and (inner := element.find(f"{_FORWARDED}/{_CLIENT}message")) is not None:
        return f"carbon of: {_describe(inner, {})}"
    if namespace == "urn:xmpp:hints":
        return ""
    if name == "body":
        return f"“{element.text or ''}”".replace("\n", " ")
    return namespace.rpartition("/")[2] if name == "query" else name


def _jingle(element: ET.Element) -> str:
    words = [element.get("action", "jingle")]
    reason = element.find(f"{_JINGLE}reason/*")
    if reason is not None:
        words.append(_name(reason))
    candidates = 0
    for content in element.iterfind(f"{_JINGLE}content"):
        for part in content:
            candidates += sum(_name(child) in ("candidate", "remote-candidate") for child in part)
            if _name(part) == "description":
                words.append(part.get("media") or _namespace(part).rpartition("apps:")[2].partition(":")[0])
    words += [_name(child) for child in element if _namespace(child).startswith("urn:xmpp:jingle:apps:rtp:info")]
    if candidates:
        words.append(f"({candidates} candidate{'s' * (candidates > 1)})")
    return " ".join(words)
