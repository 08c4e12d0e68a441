"""Two engines and a slow wire: whatever crosses, both ends agree once nothing is in flight."""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jingle.elements.core import Action, Reason, ReasonCondition, Senders
from jingle.errors import LocalProtocolError
from jingle.session.contents import ContentRecord
from jingle.session.events import (
    ContentAccepted,
    ContentAdded,
    ContentRejected,
    Refused,
    SessionEnded,
    TransportInfo,
)
from jingle.session.state import ContentState, SessionState, TransportState

from .helpers import SUCCESS, End, Pair, content, of, payload, snapshot, transport

ends = st.sampled_from(["romeo", "juliet"])
senders = st.sampled_from(Senders)
picks = st.integers(0, 7)


class Agreement(RuleBasedStateMachine):
    """Each rule is one thing that a program may do whenever it likes, or one delivery."""

    pair: Pair

    @initialize(offered=st.integers(1, 3), directions=st.lists(senders, min_size=3, max_size=3))
    def begin(self, offered: int, directions: list[Senders]) -> None:
        self.names = 0
        self.pair = Pair(*(content(f"offer{n}", senders=directions[n], detail=f"offer{n}") for n in range(offered)))

    def end(self, who: str) -> End:
        return self.pair.romeo if who == "romeo" else self.pair.juliet

    def pick(self, end: End, pick: int, *, state: ContentState | None = None) -> ContentRecord | None:
        records = [record for record in end.engine.contents.live if state in (None, record.state)]
        return records[pick % len(records)] if records else None

    def fresh(self) -> str:
        self.names += 1
        return f"n{self.names}"

    # Deliveries are offered more than once, so that not everything is always in flight.

    @precondition(lambda self: self.pair.in_flight)
    @rule(who=ends)
    def deliver(self, who: str) -> None:
        if self.end(who).out:
            self.pair.deliver(self.end(who))

    @precondition(lambda self: self.pair.in_flight)
    @rule(who=ends, count=st.integers(1, 4))
    def deliver_some(self, who: str, count: int) -> None:
        for _ in range(min(count, len(self.end(who).out))):
            self.pair.deliver(self.end(who))

    @rule()
    def settle(self) -> None:
        self.pair.settle()

    # The session.

    @precondition(lambda self: self.pair.juliet.engine.state is SessionState.PENDING)
    @rule(leave_out=st.booleans(), direction=senders)
    def accept(self, leave_out: bool, direction: Senders) -> None:
        offered = [r for r in self.pair.juliet.engine.contents.live if r.proposer is not self.pair.juliet.engine.role]
        offered = [record for record in offered if record.state is ContentState.PROPOSED]
        taken = offered[1:] if leave_out else offered
        if not taken:
            return
        answers = [content(r.id.name, r.id.creator, senders=direction, detail=self.fresh()) for r in taken]
        with contextlib.suppress(LocalProtocolError):  # a content-modify of hers is under way
            self.pair.juliet.engine.accept(answers)
        self.pair.juliet.flush()

    @precondition(lambda self: self.names > 12)
    @rule(who=ends)
    def terminate(self, who: str) -> None:
        engine = self.end(who).engine
        if engine.state in (SessionState.PENDING, SessionState.ACTIVE):
            engine.terminate(SUCCESS)
            self.end(who).flush()

    def lively(self, who: str) -> End | None:
        end = self.end(who)
        return end if end.engine.state in (SessionState.PENDING, SessionState.ACTIVE) else None

    # Contents.

    @rule(who=ends, direction=senders)
    def add(self, who: str, direction: Senders) -> None:
        if end := self.lively(who):
            name = self.fresh()
            end.engine.add_content([content(name, end.engine.role, senders=direction, detail=name)])
            end.flush()

    @rule(who=ends, pick=picks, accept=st.booleans(), direction=senders)
    def answer(self, who: str, pick: int, accept: bool, direction: Senders) -> None:
        end = self.lively(who)
        if end is None or (record := self.pick(end, pick, state=ContentState.PROPOSED)) is None:
            return
        if record.proposer is end.engine.role:
            return
        with contextlib.suppress(LocalProtocolError):  # a content-modify of ours is under way
            if accept:
                answer = content(record.id.name, record.id.creator, senders=direction, detail=self.fresh())
                end.engine.accept_content([answer])
            else:
                end.engine.reject_content(record.id)
        end.flush()

    @rule(who=ends, pick=picks)
    def remove(self, who: str, pick: int) -> None:
        if (end := self.lively(who)) and (record := self.pick(end, pick)):
            end.engine.remove_content(record.id)
            end.flush()

    @rule(who=ends, pick=picks, direction=senders)
    def modify(self, who: str, pick: int, direction: Senders) -> None:
        if (end := self.lively(who)) and (record := self.pick(end, pick)):
            end.engine.modify_content(record.id, direction)
            end.flush()

    # Transports.

    @rule(who=ends, pick=picks)
    def replace(self, who: str, pick: int) -> None:
        end = self.lively(who)
        if end and (record := self.pick(end, pick)) and record.transport_state is not TransportState.REPLACING:
            end.engine.replace_transport(record.id, transport(self.fresh(), method="other"))
            end.flush()

    @rule(who=ends, pick=picks, accept=st.booleans())
    def answer_transport(self, who: str, pick: int, accept: bool) -> None:
        end = self.lively(who)
        if end is None or (record := self.pick(end, pick)) is None:
            return
        if record.replacement is None or record.replacement.proposer is end.engine.role:
            return
        if accept:
            end.engine.accept_transport(record.id, transport(self.fresh(), method="other"))
        else:
            end.engine.reject_transport(record.id)
        end.flush()

    @rule(who=ends, pick=picks)
    def inform(self, who: str, pick: int) -> None:
        if (end := self.lively(who)) and (record := self.pick(end, pick)):
            end.engine.transport_info(record.id, transport(self.fresh()))
            end.engine.description_info(record.id, payload("description"))
            end.engine.info(payload())
            end.flush()

    # What always holds.

    @invariant()
    def both_agree_when_nothing_is_in_flight(self) -> None:
        if self.pair.in_flight:
            return
        romeo, juliet = self.pair.romeo.engine, self.pair.juliet.engine
        assert snapshot(romeo) == snapshot(juliet)
        if romeo.state is SessionState.ENDED:
            return
        for record in romeo.contents:
            known = juliet.contents.records.get(record.id)
            # A content-add that lost a tie is a rejected content to its sender, and nothing at all to the winner.
            assert known is not None or not record.live
            assert known is None or known.state is record.state
        # A void session does not stay: whoever was left without contents has ended it.
        assert romeo.contents.live

    @invariant()
    def every_end_is_told_once(self) -> None:
        for end in (self.pair.romeo, self.pair.juliet):
            ended = of(end.log, SessionEnded)
            assert len(ended) == (end.engine.state is SessionState.ENDED)

    @invariant()
    def honest_ends_are_refused_only_what_crossed(self) -> None:
        # A tie, the end of the session, or news of a content that the other end never took, because its content-add
        # lost a tie.
        for end in (self.pair.romeo, self.pair.juliet):
            for refused in of(end.log, Refused):
                lost = refused.action in (Action.CONTENT_MODIFY, Action.TRANSPORT_REPLACE) and end is self.pair.juliet
                assert refused.jingle in ("tie-break", "unknown-session") or lost
                assert refused.jingle != "tie-break" or end is self.pair.juliet

    @invariant()
    def what_is_told_was_asked(self) -> None:
        for end in (self.pair.romeo, self.pair.juliet):
            mine = {record.id for record in end.engine.contents if record.proposer is end.engine.role}
            for accepted in of(end.log, ContentAccepted):
                assert {(c.creator, c.name) for c in accepted.contents} <= mine
            for rejected in of(end.log, ContentRejected):
                assert set(rejected.contents) <= mine
            for added in of(end.log, ContentAdded):
                assert not {(c.creator, c.name) for c in added.contents} & mine

    @invariant()
    def informs_come_in_order(self) -> None:
        for end in (self.pair.romeo, self.pair.juliet):
            details = [getattr(e.transport, "source", "") for e in of(end.log, TransportInfo)]
            numbers = [int(source.partition("detail='n")[2].partition("'")[0]) for source in details]
            for content_id in {event.content for event in of(end.log, TransportInfo)}:
                about = [n for n, e in zip(numbers, of(end.log, TransportInfo), strict=True) if e.content == content_id]
                assert about == sorted(set(about))

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            self.pair.settle()
            self.both_agree_when_nothing_is_in_flight()
            for end in (self.pair.romeo, self.pair.juliet):
                if end.engine.state in (SessionState.PENDING, SessionState.ACTIVE):
                    end.engine.terminate(Reason(condition=ReasonCondition.GONE))
                    end.flush()
            self.pair.settle()
            assert snapshot(self.pair.romeo.engine) == snapshot(self.pair.juliet.engine) == SessionState.ENDED


Agreement.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAgreement = Agreement.TestCase
