"""RFC 6120 section 8.3: errors in stanzas, to elements of the project's tree and back."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from slixmpp.stanza import Iq

from ..elements.core import NS_ERRORS
from ..elements.declare import Element, serialize
from ..errors import ProtocolError, RemoteProtocolError, SignallingError
from .verbatim import verbatim

NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"

_ERROR_TAGS = frozenset({"{jabber:client}error", "{jabber:component:accept}error"})


def xml_namespace(xml: ET.Element) -> str:
    """The namespace of a tag; empty where it has none."""
    return xml.tag[1:].partition("}")[0] if xml.tag.startswith("{") else ""


def no_such_client() -> RemoteProtocolError:
    """What a client without Jingle answers; a text would give us away."""
    return RemoteProtocolError("", condition="service-unavailable")


def condition_of(error: ET.Element | None) -> str:
    """The name of the condition in an `<error/>`; `undefined-condition` where it has none, or is not there."""
    for child in error if error is not None else ():
        if xml_namespace(child) == NS_STANZAS and not child.tag.endswith("}text"):
            return child.tag.partition("}")[2]
    return "undefined-condition"


def error_in(stanza: ET.Element) -> ET.Element | None:
    """The `<error/>` of a client's or component's stanza."""
    return next((child for child in stanza if child.tag in _ERROR_TAGS), None)


def with_condition(stanza: Any) -> Any:
    """Give an error a condition where it has none that slixmpp knows, which it would not survive.

    stanza.js answers what it fails at with an empty `<error/>`.
    """
    if isinstance(stanza, Iq) and stanza["type"] == "error" and not stanza["error"]["condition"]:
        # Behind what there is, which stays the condition for us.
        ET.SubElement(stanza["error"].xml, f"{{{NS_STANZAS}}}undefined-condition")
    return stanza


def error_of(iq: Any) -> SignallingError:
    """What an IQ of type error says."""
    error = error_in(iq.xml)
    if error is None:
        return SignallingError("undefined-condition")
    jingle = next((child.tag.partition("}")[2] for child in error if xml_namespace(child) == NS_ERRORS), None)
    return SignallingError(condition_of(error), error.findtext(f"{{{NS_STANZAS}}}text"), jingle=jingle)


def reply_to(iq: Iq, error: ProtocolError | None, payload: Element | None = None) -> None:
    """Answer an IQ: with an error, or with a result that holds `payload`."""
    reply = iq.reply()
    if error is None:
        if payload is not None:
            reply.append(verbatim(serialize(payload)))
    else:
        reply["type"] = "error"
        xml = ET.SubElement(reply.xml, f"{{{reply.namespace}}}error", type=error.type)
        ET.SubElement(xml, f"{{{NS_STANZAS}}}{error.condition}")
        if error.text:
            ET.SubElement(xml, f"{{{NS_STANZAS}}}text").text = error.text
        if error.jingle:
            ET.SubElement(xml, f"{{{NS_ERRORS}}}{error.jingle}")
    reply.send()
