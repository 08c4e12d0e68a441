"""Descriptions and sessions that others wrote, and what it means for two of them to say the same.

Both notions of "the same" are written here afresh, from the text of the RFCs and XEPs and on plain lines and elements,
so that what the package forgets it cannot forget on both sides.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from jingle.elements.core import Role

CASES = Path(__file__).parent / "cases"

# RFC 8866 section 5.13: what the session level says holds for each section that does not say it itself.
INHERITED = (
    "fingerprint",
    "setup",
    "ice-options",
    "end-of-candidates",
    "extmap",
    "extmap-allow-mixed",
)
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
# RFC 3551 section 6.
STATIC = {
    **{"0": "PCMU/8000", "3": "GSM/8000", "4": "G723/8000", "5": "DVI4/8000", "6": "DVI4/16000", "7": "LPC/8000"},
    **{"8": "PCMA/8000", "9": "G722/8000", "10": "L16/44100/2", "11": "L16/44100", "12": "QCELP/8000"},
    **{"13": "CN/8000", "14": "MPA/90000", "15": "G728/8000", "16": "DVI4/11025", "17": "DVI4/22050"},
    **{"18": "G729/8000", "25": "CelB/90000", "26": "JPEG/90000", "28": "nv/90000", "31": "H261/90000"},
    **{"32": "MPV/90000", "33": "MP2T/90000", "34": "H263/90000"},
}


def texts() -> list[tuple[str, str]]:
    """Every description of the cases, with a name."""
    found = [
        (f"{path.parent.name}/{path.stem}", path.read_text(encoding="utf-8"))
        for path in sorted(CASES.glob("*/*.sdp"))
        if path.parent.name != "transcripts"
    ]
    for path in sorted(CASES.glob("transcripts/*.sdp")):
        blocks = path.read_text(encoding="utf-8").split("\n\n")
        seen: set[str] = set()
        for block in blocks:
            title, _, text = block.partition("\n")
            if text.startswith("v=0") and text not in seen:
                seen.add(text)
                found.append((f"{path.stem}/{title.split()[1]}", text))
    return found


def trickled() -> list[str]:
    """Every candidate line that a browser trickled or was given."""
    lines = [line for path in sorted(CASES.glob("transcripts/*.sdp")) for line in path.read_text().split("\n")]
    return sorted({line.split(" ", 1)[1] for line in lines if line.startswith("mid=") and "candidate:" in line})


def meaning(text: str) -> list[tuple[str, Counter[str]]]:
    """The sections of a description, each with its first line and the others without an order."""
    sections: list[list[str]] = [[]]
    for line in text.strip().replace("\r", "").split("\n"):
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line.rstrip())
    session, *media = sections
    if media:
        session = _inherit(session, media)
    return [(section[0], Counter(_same(line) for line in section[1:])) for section in (session, *map(_filled, media))]


def _name(line: str) -> str:
    return line[2:].split(":")[0] if line.startswith("a=") else line[:2]


def _inherit(session: list[str], media: list[list[str]]) -> list[str]:
    of_rtp = [section for section in media if "RTP/" in section[0]]
    left = []
    for line in session:
        name = _name(line)
        if name in ("extmap", "extmap-allow-mixed"):
            for section in of_rtp:
                if name == "extmap" or line not in section:
                    section.insert(1, line)
            if not of_rtp:
                left.append(line)
            continue
        group: tuple[str, ...] = (name,)
        if name in ("ice-ufrag", "ice-pwd"):
            group = ("ice-ufrag", "ice-pwd")
        elif name in DIRECTIONS:
            group = DIRECTIONS
        elif name not in INHERITED and name != "c=":
            left.append(line)
            continue
        for section in media:
            own = section[: section.index("") + 1] if "" in section else section
            if not any(_name(each) in group for each in own):
                # Behind a blank line, so that several of one name are inherited together.
                section += [line] if "" in section else ["", line]
    for section in media:
        if "" in section:
            section.remove("")
    return left


def _filled(section: list[str]) -> list[str]:
    """A section with what goes without saying."""
    if not any(_name(line) in DIRECTIONS for line in section):
        section.append("a=sendrecv")
    if "RTP/" in section[0]:
        for number in section[0].split()[3:]:
            if number in STATIC and not any(line.startswith(f"a=rtpmap:{number} ") for line in section):
                section.append(f"a=rtpmap:{number} {STATIC[number]}")
    return section


def _same(line: str) -> str:
    """A line in one of the spellings that mean the same."""
    name, _, value = line.partition(":")
    if name == "a=candidate":
        words = value.split()
        head = [*words[:2], words[2].lower(), *words[3:8]]
        pairs = sorted(f"{key} {found}" for key, found in zip(words[8::2], words[9::2], strict=True))
        return " ".join([name, *head, *(pair for pair in pairs if pair != "generation 0")])
    if name == "a=fmtp":
        payload, _, rest = value.partition(" ")
        return f"{name}:{payload} {';'.join(part.strip() for part in rest.split(';') if part.strip())}"
    if name == "a=rtpmap":
        return line.removesuffix("/1")
    return line


def session_meaning(xml: ET.Element, role: Role) -> str:
    """A `<jingle/>` that this side sent, in one of the spellings that mean the same."""
    root = ET.fromstring(ET.tostring(xml))
    for part in root.iter():
        part.text = "".join(part.text.split()) if part.text and part.tag.endswith("}fingerprint") else part.text
        part.text = part.text if part.text and part.text.strip(" \n\t.[]") else None
        part.tail = None
        fill = _FILL.get(part.tag.rpartition("}")[2])
        if fill is not None:
            fill(part)
        if part.tag.endswith("}rtp-hdrext"):
            _header_extension(part, role)
        # Among children of one name the order counts, as that of payload types; no XEP gives a meaning to another one.
        part[:] = sorted(part, key=lambda child: child.tag)
    return ET.canonicalize(ET.tostring(root, encoding="unicode"))


def _content(part: ET.Element) -> None:
    if part.get("senders") == "both":
        del part.attrib["senders"]  # XEP-0166 section 7.3


def _candidate(part: ET.Element) -> None:
    part.set("generation", part.get("generation", "0"))
    part.set("protocol", part.get("protocol", "").lower())
    if part.tag.startswith("{urn:xmpp:jingle:transports:raw-udp:1}"):
        said = [part.get(name, "") for name in ("component", "ip", "port")]
    else:
        said = [part.get(name, "") for name in ("foundation", "component", "protocol", "ip", "port")]
    made_up = f"c{hashlib.sha1(' '.join(said).encode()).hexdigest()[:12]}"
    part.set("id", part.get("id", made_up))


def _payload_type(part: ET.Element) -> None:
    if part.get("channels") == "1":
        del part.attrib["channels"]  # XEP-0167 section 4
    # RFC 3551 section 6: what is not written of these goes without saying.
    name, clockrate, *channels = STATIC.get(part.get("id", ""), "/").split("/")
    if name and part.get("name", name).upper() == name.upper():
        part.set("name", part.get("name", name))
        if "clockrate" not in part.attrib:
            part.set("clockrate", clockrate)
            if channels:
                part.set("channels", part.get("channels", channels[0]))


def _description(part: ET.Element) -> None:
    sources = part.findall("{urn:xmpp:jingle:apps:rtp:ssma:0}source")
    if sources and "media" in part.attrib:
        part.set("ssrc", part.get("ssrc", sources[0].get("ssrc", "")))


def _parameter(part: ET.Element) -> None:
    if not part.get("name") and part.get("value"):
        part.attrib = {"name": part.attrib["value"]}


def _header_extension(part: ET.Element, role: Role) -> None:
    number, slash, direction = part.get("id", "").partition("/")
    if slash:  # Conversations leaves the direction of the SDP there; XEP-0294 section 4 has `senders`
        other = "responder" if role is Role.INITIATOR else "initiator"
        said = {"sendonly": role.value, "recvonly": other, "inactive": "none", "sendrecv": "both"}
        part.attrib |= {"id": number, "senders": said[direction]}


def _encryption(part: ET.Element) -> None:
    if part.get("required") == "1":
        part.set("required", "true")


_FILL = {
    "candidate": _candidate,
    "content": _content,
    "description": _description,
    "encryption": _encryption,
    "parameter": _parameter,
    "payload-type": _payload_type,
}
