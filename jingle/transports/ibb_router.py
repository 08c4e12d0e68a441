"""Who hands the in-band IQs of XEP-0047 to which stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ..elements.declare import Element
from ..elements.ibb import NS_IBB, Close, Data, Open
from ..errors import RemoteProtocolError
from .base import StanzaPort
from .ibb_session import IbbSession


class IbbRouter:
    """Hands the in-band IQs of one `StanzaPort` to its streams, which share it: a request has one handler only."""

    _routers: ClassVar[dict[StanzaPort, IbbRouter]] = {}

    def __init__(self, port: StanzaPort) -> None:
        self._sessions: dict[tuple[str, str], IbbSession] = {}
        self._remove = port.on_request(NS_IBB, self._receive)

    @classmethod
    def add(cls, port: StanzaPort, session: IbbSession) -> Callable[[], None]:
        """Hand on what comes for `session`, until the function that comes back is called.

        Raises:
            RemoteProtocolError: The peer has another stream of that sid.
        """
        router = cls._routers.get(port)
        if router is None:
            router = cls._routers[port] = cls(port)
        key = (session.peer, session.sid)
        if key in router._sessions:
            raise RemoteProtocolError("there is an in-band stream of that sid already", condition="not-acceptable")
        router._sessions[key] = session

        def discard() -> None:
            if router._sessions.pop(key, None) is not None and not router._sessions:
                router._remove()
                del cls._routers[port]

        return discard

    async def _receive(self, sender: str, payload: Element) -> None:
        if not isinstance(payload, Open | Data | Close):
            raise RemoteProtocolError("no such element in In-Band Bytestreams", condition="feature-not-implemented")
        session = self._sessions.get((sender, payload.sid))
        if session is None:
            raise RemoteProtocolError(
                "no in-band stream of that sid was agreed with you",
                condition="not-acceptable" if isinstance(payload, Open) else "item-not-found",
            )
        match payload:
            case Open():
                session.take_open(payload)
            case Data():
                await session.take_block(payload)
            case Close():
                await session.take_close()
