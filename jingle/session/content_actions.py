"""XEP-0166 sections 7.2.1 to 7.2.7: adding, accepting, rejecting, modifying and removing contents, and their infos."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ..elements.core import Action, Content, Group, Jingle, Reason, ReasonCondition, Senders
from ..elements.declare import Element
from ..errors import LocalProtocolError, RemoteProtocolError
from .contents import ContentRecord, propose
from .events import (
    ContentAccepted,
    ContentAdded,
    ContentModified,
    ContentRejected,
    ContentRemoved,
    DescriptionInfo,
    SecurityInfo,
)
from .exchange import ContentRef, Exchange, Request
from .state import ContentState, SessionState


class ContentActions(Exchange):
    """The actions on contents, sent and received."""

    # Sent.

    def add_content(
        self, contents: Iterable[Content], *, groups: tuple[Group, ...] = (), reason: Reason | None = None
    ) -> int:
        """Propose more contents (content-add); a `ContentAccepted` or `ContentRejected` follows for each.

        Args:
            contents: With description, transport, our role as creator, and a name that was not used before: a content
                that was rejected or removed keeps its name, so that crossing stanzas cannot mean the new one.
            groups: How they may share transports (XEP-0338).
            reason: Why, if that is worth telling.

        Returns:
            The token of the request, as in the `Send` that follows.

        Raises:
            LocalProtocolError: The session is not there (any more), or a content is not as above.
        """
        self._may(Action.CONTENT_ADD)
        contents = tuple(contents)
        self._propose(contents, initial=False)
        return self._send(Action.CONTENT_ADD, contents, groups=groups, reason=reason)

    def accept_content(
        self, contents: Iterable[Content], *, groups: tuple[Group, ...] = (), reason: Reason | None = None
    ) -> int:
        """Accept contents that the peer added (content-accept).

        Args:
            contents: Our answers, with the creator and name of the `ContentAdded`.
            groups: How they may share transports (XEP-0338).
            reason: Why, if that is worth telling.

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: The peer did not propose such a content, it is answered already, or a content-modify of
                ours about it waits for its answer: which direction we accept is only known then.
        """
        self._may(Action.CONTENT_ACCEPT)
        answers = self._named(contents)
        for record, _ in answers:
            self._check_accept(record, Action.CONTENT_ACCEPT)
        for record, answer in answers:
            record.accept(answer)
        return self._send(Action.CONTENT_ACCEPT, [answer for _, answer in answers], groups=groups, reason=reason)

    def reject_content(self, *contents: ContentRef, reason: Reason | None = None) -> int:
        """Reject contents that the peer proposed (content-reject).

        An element instead of a name can say what would have been possible, such as the codecs we have (XEP-0167
        section 11.4). If no content is left, the peer ends the session; bound the wait for it.

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: The peer did not propose such a content, or it is answered already.
        """
        return self._give_up(Action.CONTENT_REJECT, contents, reason)

    def remove_content(self, *contents: ContentRef, reason: Reason | None = None) -> int:
        """Remove contents, or withdraw those that we proposed (content-remove).

        If no content is left, the peer ends the session; bound the wait for it, or `terminate` instead.

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: There is no such content (any more).
        """
        return self._give_up(Action.CONTENT_REMOVE, contents, reason)

    def modify_content(self, content: ContentRef, senders: Senders, *, reason: Reason | None = None) -> int:
        """Change the direction of a content (content-modify).

        It is in force with the `Acknowledged` of the token. `Refused` with `tie-break` means that the initiator changed
        the direction at the same time, and that its change stands.

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: There is no such content (any more).
        """
        _, element = self._about(Action.CONTENT_MODIFY, content)
        element = dataclasses.replace(element, senders=senders)
        return self._send(Action.CONTENT_MODIFY, [element], reason=reason, senders=senders)

    def description_info(self, content: ContentRef, description: Element) -> int:
        """Hint at parameters of an application (description-info); returns the token.

        Raises:
            LocalProtocolError: There is no such content (any more).
        """
        _, element = self._about(Action.DESCRIPTION_INFO, content)
        return self._send(Action.DESCRIPTION_INFO, [dataclasses.replace(element, description=description)])

    def security_info(self, content: ContentRef, security: Element) -> int:
        """Tell something about a security precondition (security-info); returns the token.

        Raises:
            LocalProtocolError: There is no such content (any more).
        """
        _, element = self._about(Action.SECURITY_INFO, content)
        return self._send(Action.SECURITY_INFO, [dataclasses.replace(element, security=security)])

    def _propose(self, contents: tuple[Content, ...], *, initial: bool) -> None:
        records: dict[object, ContentRecord] = {}
        for content in contents:
            record = propose(content, self.role, initial=initial)
            if content.creator is not self.role:
                raise LocalProtocolError(f"content {content.name!r}: we are the {self.role.value}")
            if content.description is None or content.transport is None:
                raise LocalProtocolError(f"content {content.name!r} needs a description and a transport")
            if record.id in self.contents.records:
                raise LocalProtocolError(f"the name {content.name!r} was used before", condition="conflict")
            if record.id in records:
                records[record.id].offers += (content,)
            else:
                record.unsent = []
                records[record.id] = record
        if not records:
            raise LocalProtocolError("a proposal needs a content")
        self.contents.keep(records.values())

    def _check_accept(self, record: ContentRecord, action: Action) -> None:
        record.check(action, self.role, LocalProtocolError)
        if self._is_unanswered(Action.CONTENT_MODIFY, record.id):
            raise LocalProtocolError("a content-modify about it is unanswered", condition="unexpected-request")

    def _give_up(self, action: Action, contents: Iterable[ContentRef], reason: Reason | None) -> int:
        self._may(action)
        named = self._named(contents)
        states = [record.check(action, self.role, LocalProtocolError) for record, _ in named]
        self._settle(named, states)
        return self._send(action, [element for _, element in named], reason=reason)

    def _about(self, action: Action, content: ContentRef) -> tuple[ContentRecord, Content]:
        """The one content we want to send `action` about, with its element."""
        self._may(action)
        [(record, element)] = self._named([content])
        record.check(action, self.role, LocalProtocolError)
        return record, element

    # Refused.

    def _records(self, request: Request) -> list[ContentRecord]:
        """The contents of a request that are still alive."""
        return [record for record in self.contents.live if record.id in request.contents]

    def _reject_refused(self, request: Request) -> None:
        records = self._records(request)
        for record in records:
            record.state = ContentState.REJECTED
        if records:
            self._events.append(ContentRejected(contents=tuple(record.id for record in records)))
            self._end_if_void()

    def _accept_again(self, request: Request) -> bool:
        """Accept in other words where nobody was to send in a content: Dino and Monal cannot read `none`.

        That the peer alone sends means the same to us, who do not listen. False where there is nothing of the kind.
        """
        records, sends = self._records(request), Senders(self.role.other.value)
        nobody = [record for record in records if record.senders is Senders.NONE and record.may_send(self.role.other)]
        for record in nobody:
            record.senders = sends
        answers = [
            dataclasses.replace(record.answer, senders=sends if record in nobody else record.answer.senders)
            for record in records
            if record.answer is not None
        ]
        if nobody:
            self._send(Action.SESSION_ACCEPT, answers, groups=request.groups)
        return bool(nobody)

    # Received.

    def _on_content_add(self, jingle: Jingle) -> None:
        self._lost_tie(Action.CONTENT_ADD)
        records = self.contents.adopt(jingle.contents, self.role.other, initial=False)
        self.contents.keep(records)
        offers = tuple(offer for record in records for offer in record.offers)
        self._events.append(ContentAdded(contents=offers, groups=jingle.groups, reason=jingle.reason))

    def _on_content_accept(self, jingle: Jingle) -> None:
        found = self._found(jingle)
        for record, _ in found:
            record.check(Action.CONTENT_ACCEPT, self.role.other, RemoteProtocolError)
        for record, answer in found:
            record.accept(answer)
        if found:
            answers = tuple(answer for _, answer in found)
            self._events.append(ContentAccepted(contents=answers, groups=jingle.groups, reason=jingle.reason))
            for record, _ in found:
                self._release(record)

    def _on_content_reject(self, jingle: Jingle) -> None:
        if not jingle.contents:
            # stanza.js does not say what it rejects: everything that it has not answered.
            jingle = dataclasses.replace(jingle, contents=self._unanswered_proposals())
        found = self._found(jingle)
        states = [record.check(Action.CONTENT_REJECT, self.role.other, RemoteProtocolError) for record, _ in found]
        self._settle(found, states)
        if found:
            rejected = tuple(record.id for record, _ in found)
            self._events.append(ContentRejected(contents=rejected, reason=jingle.reason))
        self._end_if_void()

    def _unanswered_proposals(self) -> tuple[Content, ...]:
        open_ones = (each for each in self.contents if each.proposer is self.role and not each.initial)
        return tuple(
            Content(creator=each.id.creator, name=each.id.name)
            for each in open_ones
            if each.state is ContentState.PROPOSED
        )

    def _on_content_remove(self, jingle: Jingle) -> None:
        # Removing what is gone, or what a tie-break kept from coming, asks for what is the case already. Both sides
        # removing the same content at once is no tie to be broken either: they want the same.
        found = []
        for content in jingle.contents:
            record = self._find(content)
            if record is None or record.state is ContentState.REMOVED:
                continue
            if record.live:
                found.append(record.id)
            record.state = ContentState.REMOVED
        if found:
            self._events.append(ContentRemoved(contents=tuple(found), reason=jingle.reason))
        self._end_if_void()

    def _on_content_modify(self, jingle: Jingle) -> None:
        found = self._found(jingle)
        for record, _ in found:
            self._lost_tie(Action.CONTENT_MODIFY, record.id)
        for record, content in found:
            # Section 7.3 requires `senders` here; without it only the default can be meant.
            record.senders = content.effective_senders
            self._events.append(ContentModified(content=record.id, senders=record.senders, reason=jingle.reason))

    def _on_description_info(self, jingle: Jingle) -> None:
        for record, content in self._informed(jingle):
            if content.description is not None:
                self._events.append(DescriptionInfo(content=record.id, description=content.description))

    def _on_security_info(self, jingle: Jingle) -> None:
        for record, content in self._informed(jingle):
            if content.security is not None:
                self._events.append(SecurityInfo(content=record.id, security=content.security))

    def _informed(self, jingle: Jingle) -> list[tuple[ContentRecord, Content]]:
        """The living contents that an informational message is about.

        One about a content that is not there is acknowledged and forgotten: it changes nothing, and Conversations ends
        the whole call when any of its requests gets an error.
        """
        if not any(self._find(content) for content in jingle.contents):
            return []
        return self._found(jingle)

    def _settle(self, found: list[tuple[ContentRecord, Content]], states: list[ContentState]) -> None:
        for (record, _), state in zip(found, states, strict=True):
            record.state = state

    def _end_if_void(self) -> None:
        """End a session that the peer left without a content: it is void (sections 7.2.4, 7.2.5)."""
        if self.state is not SessionState.ENDED and not self.contents.live:
            self.terminate(Reason(condition=ReasonCondition.SUCCESS, text="no content is left"))
