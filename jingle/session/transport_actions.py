"""XEP-0166 sections 7.2.12 to 7.2.15: informing about a transport, replacing it, and what it reports itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from ..elements.core import Action, Jingle, Reason
from ..elements.declare import Element
from ..errors import LocalProtocolError, RemoteProtocolError
from .content_actions import ContentActions
from .contents import ContentRecord, Replacement, namespace_of
from .events import ContentId, TransportAccepted, TransportInfo, TransportRejected, TransportReplaced
from .exchange import ContentRef
from .state import Fact, next_transport_state


class TransportActions(ContentActions):
    """The actions on the transports of contents, sent and received.

    Attributes:
        crosses: Says of a transport-info of the peer's whether it asks for what one of ours does already, and ours
            stands: it is answered with a tie-break and left aside (XEP-0371 section 5.10). For the program to set.
    """

    crosses: Callable[[ContentId, Element], bool] = staticmethod(lambda content, transport: False)

    # Sent.

    def transport_info(self, content: ContentRef, transport: Element) -> int | None:
        """Tell something about a transport, mostly candidates (transport-info).

        While the peer has neither acknowledged the session-initiate or content-add that the content came with nor
        accepted the content, the message is held back: a peer that refuses us learns no addresses, and stanza.js
        blocks on a content that it does not know.

        Returns:
            The token of the request, or `None` where it is held back; then it is sent, in order, with the
            acknowledgement or acceptance.

        Raises:
            LocalProtocolError: There is no such content (any more).
        """
        return self.transport_infos([(content, transport)])

    def transport_infos(self, infos: Iterable[tuple[ContentRef, Element]]) -> int | None:
        """Tell something about the transports of several contents in one request; see `transport_info`.

        Returns:
            The token of the request, or `None` where all of it is held back.

        Raises:
            LocalProtocolError: One of the contents does not exist (any more), and nothing was sent.
        """
        elements = []
        for content, transport in infos:
            record, element = self._about(Action.TRANSPORT_INFO, content)
            if record.unsent is not None:
                record.unsent.append(transport)
            else:
                elements.append(dataclasses.replace(element, transport=transport))
        return self._send(Action.TRANSPORT_INFO, elements) if elements else None

    def replace_transport(self, content: ContentRef, transport: Element, *, reason: Reason | None = None) -> int:
        """Propose another transport for a content (transport-replace).

        A `TransportAccepted` or `TransportRejected` follows; or, where both sides proposed at once and we are the
        responder, the peer's `TransportReplaced`, and for ours `Refused` with `tie-break`.

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: There is no such content (any more), or a replacement is being negotiated.
        """
        record, element = self._about(Action.TRANSPORT_REPLACE, content)
        record.step(Action.TRANSPORT_REPLACE, self.role, LocalProtocolError)
        element = dataclasses.replace(element, transport=transport)
        token = self._send(Action.TRANSPORT_REPLACE, [element], reason=reason)
        record.replacement = Replacement(proposer=self.role, transport=transport, token=token)
        return token

    def accept_transport(self, content: ContentRef, transport: Element) -> int:
        """Accept the transport that the peer proposed, with our side of it (transport-accept); returns the token.

        Raises:
            LocalProtocolError: There is no such content (any more), or nothing of the peer's to accept.
        """
        record, element = self._about(Action.TRANSPORT_ACCEPT, content)
        record.step(Action.TRANSPORT_ACCEPT, self.role, LocalProtocolError)
        record.take_replacement(transport)
        return self._send(Action.TRANSPORT_ACCEPT, [dataclasses.replace(element, transport=transport)])

    def reject_transport(self, content: ContentRef, *, reason: Reason | None = None) -> int:
        """Reject the transport that the peer proposed (transport-reject); returns the token.

        The old transport stays as it is. Where it has failed, the peer proposes another one or ends the session.

        Raises:
            LocalProtocolError: There is no such content (any more), or nothing of the peer's to reject.
        """
        record, element = self._about(Action.TRANSPORT_REJECT, content)
        proposed = record.proposed_transport(Action.TRANSPORT_REJECT, self.role, LocalProtocolError)
        record.replacement = None
        element = dataclasses.replace(element, transport=proposed)
        return self._send(Action.TRANSPORT_REJECT, [element], reason=reason)

    def transport_connected(self, content: ContentRef) -> None:
        """Note that the transport in force is connected; sends nothing.

        Raises:
            LocalProtocolError: It was not connecting.
        """
        self._report(content, Fact.CONNECTED)

    def transport_failed(self, content: ContentRef) -> None:
        """Note that the transport in force found no way, or lost it; sends nothing.

        What follows is the program's decision: `replace_transport`, `remove_content` or `terminate`.

        Raises:
            LocalProtocolError: It was neither connecting nor connected.
        """
        self._report(content, Fact.FAILED)

    def _report(self, content: ContentRef, fact: Fact) -> None:
        [(record, _)] = self._named([content])
        # The transport in force reports, so an open replacement does not matter.
        record.link = next_transport_state(record.link, fact, error=LocalProtocolError)

    # Received.

    def _on_transport_info(self, jingle: Jingle) -> None:
        informed = self._informed(jingle)
        if any(
            content.transport is not None and self.crosses(record.id, content.transport) for record, content in informed
        ):
            raise RemoteProtocolError("our restart is under way", jingle="tie-break")
        for record, content in informed:
            if content.transport is not None:
                self._events.append(TransportInfo(content=record.id, transport=content.transport))

    def _on_transport_replace(self, jingle: Jingle) -> None:
        proposals = self._with_transports(jingle)
        for record, _ in proposals:
            self._lost_tie(Action.TRANSPORT_REPLACE, record.id)
            if not self._is_unanswered(Action.TRANSPORT_REPLACE, record.id):
                record.step(Action.TRANSPORT_REPLACE, self.role.other, RemoteProtocolError)
        for record, transport in proposals:
            # Where a proposal of ours is under way, the initiator's stands instead, and ours will be refused.
            record.replacement = Replacement(proposer=self.role.other, transport=transport)
            self._events.append(TransportReplaced(content=record.id, transport=transport, reason=jingle.reason))

    def _on_transport_accept(self, jingle: Jingle) -> None:
        answers = self._with_transports(jingle)
        for record, transport in answers:
            proposed = record.proposed_transport(Action.TRANSPORT_ACCEPT, self.role.other, RemoteProtocolError)
            if namespace_of(transport) != namespace_of(proposed):
                raise RemoteProtocolError("transport-accept with another transport than the one proposed")
        for record, transport in answers:
            record.take_replacement(transport)
            self._events.append(TransportAccepted(content=record.id, transport=transport))

    def _on_transport_reject(self, jingle: Jingle) -> None:
        found = self._found(jingle)
        for record, _ in found:
            record.step(Action.TRANSPORT_REJECT, self.role.other, RemoteProtocolError)
        for record, _ in found:
            record.replacement = None
            self._events.append(TransportRejected(content=record.id, reason=jingle.reason))

    def _with_transports(self, jingle: Jingle) -> list[tuple[ContentRecord, Element]]:
        """The living contents of a request, each with the transport that it has to carry."""
        found = []
        for record, content in self._found(jingle):
            if content.transport is None:
                raise RemoteProtocolError(f"{jingle.action.value} without a transport")
            found.append((record, content.transport))
        return found
