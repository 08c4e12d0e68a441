"""XEP-0167 section 9: advice about parameters in a description-info, given and followed. Pure."""

from __future__ import annotations

from dataclasses import replace

from ...elements.rtp import Bandwidth, Parameter, PayloadType, RtpDescription
from .negotiation import Format, Negotiated, bit_rate_of, parameters_of

MOST_PARAMETERS = 32
"""Parameters of one codec that are kept; a peer may add to them again and again."""


def advised(negotiated: Negotiated, remote: RtpDescription) -> Negotiated:
    """What was agreed on, with what the peer changes of it: parameters of codecs in use, and the bit rate.

    A codec is known by its id and its name; advice about any other is about nothing.
    """
    formats = tuple(_advised(each, remote) for each in negotiated.formats)
    bit_rate = bit_rate_of(remote.bandwidth)
    return replace(negotiated, formats=formats, bit_rate=negotiated.bit_rate if bit_rate is None else bit_rate)


def _advised(agreed: Format, remote: RtpDescription) -> Format:
    for described in remote.payload_types:
        is_named = (described.name or agreed.codec.name).lower() == agreed.codec.name.lower()
        if described.id == agreed.payload_type and is_named:
            merged = {**agreed.parameters, **parameters_of(described)}
            return agreed if len(merged) > MOST_PARAMETERS else replace(agreed, parameters=merged)
    return agreed


def advice(negotiated: Negotiated, bit_rate: int) -> RtpDescription:
    """What asks the peer to send so many bits per second at most, with the one codec that it changes."""
    preferred = negotiated.formats[0].codec
    id = next(id for id, codec in negotiated.receiving.items() if codec == preferred)
    # Clients that look at the codec alone know Opus's own word for it (RFC 7587 section 6.1).
    own_words = (Parameter(name="maxaveragebitrate", value=str(bit_rate)),) if preferred.name.lower() == "opus" else ()
    payload_type = PayloadType(
        id=id,
        name=preferred.name,
        clockrate=preferred.clock_rate,
        channels=preferred.channels if preferred.channels > 1 else None,
        parameters=own_words,
    )
    bandwidth = Bandwidth(type="TIAS", value=str(bit_rate))
    return RtpDescription(media=negotiated.medium, payload_types=(payload_type,), bandwidth=bandwidth)
