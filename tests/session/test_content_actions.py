"""Contents of a running session: added, answered, turned around, removed; sent, received, and crossing."""

from __future__ import annotations

import pytest

from jingle.elements.core import Action, Content, Group, Reason, ReasonCondition, Role, Senders
from jingle.errors import LocalProtocolError
from jingle.session.contents import MAX_CONTENTS, MAX_RECORDS
from jingle.session.events import (
    ContentAccepted,
    ContentAdded,
    ContentId,
    ContentModified,
    ContentRejected,
    ContentRemoved,
    DescriptionInfo,
    Refused,
    SecurityInfo,
    Send,
    SessionEnded,
)
from jingle.session.state import ContentState, SessionState

from .helpers import Pair, content, description, jingle, named, of, payload, receive, refusal, sent, voice

A = Action
WHY = Reason(condition=ReasonCondition.UNSUPPORTED_APPLICATIONS)
VIDEO = ContentId(Role.INITIATOR, "video")
GROUPS = (Group.of("BUNDLE", ("voice", "video")),)


@pytest.fixture
def pair() -> Pair:
    return Pair().active()


def states(pair: Pair, name: str) -> set[ContentState]:
    return {end.engine.contents.require(name).state for end in (pair.romeo, pair.juliet)}


# Adding.


def test_an_added_content_is_accepted(pair: Pair) -> None:
    pair.romeo.engine.add_content([content("video")], groups=GROUPS, reason=WHY)
    pair.romeo.flush()
    pair.settle()
    assert of(pair.juliet.log, ContentAdded) == [ContentAdded(contents=(content("video"),), groups=GROUPS, reason=WHY)]
    pair.juliet.engine.accept_content([content("video", detail="answer")], groups=GROUPS, reason=WHY)
    pair.juliet.flush()
    pair.settle()
    answer = content("video", detail="answer")
    assert of(pair.romeo.log, ContentAccepted) == [ContentAccepted(contents=(answer,), groups=GROUPS, reason=WHY)]
    assert states(pair, "video") == {ContentState.ACCEPTED}


def test_an_added_content_is_rejected_with_what_would_do(pair: Pair) -> None:
    pair.juliet.engine.add_content([content("video", Role.RESPONDER)])
    pair.juliet.flush()
    pair.settle()
    could = content("video", Role.RESPONDER, detail="codecs we have")
    pair.romeo.engine.reject_content(could, reason=WHY)
    rejection = sent(pair.romeo.engine).jingle
    assert rejection == jingle(A.CONTENT_REJECT, could, reason=WHY)
    rejected = ContentRejected(contents=(ContentId(Role.RESPONDER, "video"),), reason=WHY)
    assert receive(pair.juliet.engine, rejection) == [rejected]
    assert states(pair, "video") == {ContentState.REJECTED}


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ([], "needs a content"),
        ([content("video", Role.RESPONDER)], "we are the initiator"),
        ([named("video")], "needs a description"),
        ([content("voice")], "used before"),
    ],
)
def test_what_may_not_be_added(pair: Pair, contents: list[object], why: str) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        pair.romeo.engine.add_content(contents)  # type: ignore[arg-type]
    assert pair.romeo.engine.take_events() == []


def test_a_name_is_never_used_again(pair: Pair) -> None:
    pair.romeo.engine.add_content([content("video")])
    pair.romeo.engine.remove_content("video")
    with pytest.raises(LocalProtocolError, match="used before"):
        pair.romeo.engine.add_content([content("video")])


def test_a_peer_may_use_a_name_again_once_it_is_free(pair: Pair) -> None:
    juliet = pair.juliet.engine
    again = jingle(A.CONTENT_ADD, content("video"))
    receive(juliet, again)
    assert refusal(juliet, jingle(A.CONTENT_ADD, content("video", Role.INITIATOR))).condition == "conflict"
    receive(juliet, jingle(A.CONTENT_REMOVE, named("video")))
    assert receive(juliet, again) == [ContentAdded(contents=(content("video"),))]


@pytest.mark.parametrize("contents", [(), (named("video"),)])
def test_a_malformed_addition_is_refused(pair: Pair, contents: tuple[object, ...]) -> None:
    error = refusal(pair.juliet.engine, jingle(A.CONTENT_ADD, *contents))  # type: ignore[arg-type]
    assert error.condition == "bad-request"


def test_contents_are_bounded(pair: Pair) -> None:
    juliet = pair.juliet.engine
    for number in range(MAX_CONTENTS - 1):
        receive(juliet, jingle(A.CONTENT_ADD, content(f"{number}")))
    assert refusal(juliet, jingle(A.CONTENT_ADD, content("more"))).condition == "resource-constraint"


def test_memories_of_contents_are_bounded(pair: Pair) -> None:
    juliet = pair.juliet.engine
    for number in range(2 * MAX_RECORDS):
        receive(juliet, jingle(A.CONTENT_ADD, content(f"{number}")))
        receive(juliet, jingle(A.CONTENT_REMOVE, named(f"{number}")))
    assert len(list(juliet.contents)) == MAX_RECORDS
    assert juliet.contents.require("voice").live


def test_the_wrong_creator_is_kept_as_the_name_the_peer_uses(pair: Pair) -> None:
    """Dino, Conversations and Movim write the initiator everywhere."""
    romeo = pair.romeo.engine
    assert receive(romeo, jingle(A.CONTENT_ADD, content("video"))) == [ContentAdded(contents=(content("video"),))]
    romeo.accept_content([content("video")])
    assert sent(romeo).jingle.contents[0].creator is Role.INITIATOR
    assert romeo.contents.require("video").proposer is Role.RESPONDER


def test_the_wrong_creator_is_put_right_where_it_would_mean_another(pair: Pair) -> None:
    romeo = pair.romeo.engine
    [added] = receive(romeo, jingle(A.CONTENT_ADD, content("voice")))
    assert added == ContentAdded(contents=(content("voice", Role.RESPONDER),))
    with pytest.raises(LocalProtocolError, match="2 contents"):
        romeo.remove_content("voice")
    romeo.remove_content(voice(Role.RESPONDER))
    assert romeo.contents.require("voice").id == voice()


def test_a_name_that_only_one_content_has_is_enough(pair: Pair) -> None:
    romeo = pair.romeo.engine
    [modified] = receive(romeo, jingle(A.CONTENT_MODIFY, content(creator=Role.RESPONDER, senders=Senders.NONE)))
    assert modified == ContentModified(content=voice(), senders=Senders.NONE)


def test_a_living_content_is_meant_before_a_dead_one(pair: Pair) -> None:
    pair.romeo.engine.add_content([content("video")])
    pair.romeo.flush()
    pair.settle()
    pair.juliet.engine.reject_content("video")
    pair.juliet.flush()
    pair.settle()
    pair.juliet.engine.add_content([content("video", Role.RESPONDER)])
    pair.juliet.flush()
    pair.settle()
    modify = jingle(A.CONTENT_MODIFY, content("video", senders=Senders.NONE))
    [modified] = receive(pair.romeo.engine, modify)
    assert modified == ContentModified(content=ContentId(Role.RESPONDER, "video"), senders=Senders.NONE)
    # Both gone, neither can be told from the name alone; the exact one is.
    receive(pair.romeo.engine, jingle(A.CONTENT_REMOVE, named("video", Role.RESPONDER)))
    assert receive(pair.romeo.engine, modify) == []


def test_answers_are_for_the_other_side(pair: Pair) -> None:
    pair.romeo.engine.add_content([content("video")])
    pair.romeo.flush()
    pair.settle()
    with pytest.raises(LocalProtocolError, match="did not propose"):
        pair.romeo.engine.accept_content([content("video")])
    with pytest.raises(LocalProtocolError, match="did not propose"):
        pair.romeo.engine.reject_content("video")
    for action in (A.CONTENT_ACCEPT, A.CONTENT_REJECT):
        assert refusal(pair.juliet.engine, jingle(action, content("video"))).jingle == "out-of-order"
        assert refusal(pair.juliet.engine, jingle(action, content("voice"))).jingle == "out-of-order"
        assert refusal(pair.juliet.engine, jingle(action, content("noise"))).condition == "bad-request"
    with pytest.raises(LocalProtocolError, match="no content was named"):
        pair.juliet.engine.accept_content([])


def test_what_crossed_the_end_of_a_content_is_let_pass(pair: Pair) -> None:
    for name in ("a", "b"):
        pair.romeo.engine.add_content([content(name)])
    pair.romeo.flush()
    pair.settle()
    pair.juliet.engine.accept_content([content("a")])
    pair.juliet.engine.reject_content("b")
    pair.juliet.flush()
    pair.romeo.engine.remove_content("a", "b")
    pair.romeo.flush()
    pair.romeo.log.clear()
    pair.settle()
    assert not of(pair.romeo.log, ContentAccepted)
    assert not of(pair.romeo.log, ContentRejected)
    assert of(pair.romeo.log, Refused) == of(pair.juliet.log, Refused) == []
    assert states(pair, "a") == states(pair, "b") == {ContentState.REMOVED}
    # One of several contents may be gone; the rest stands.
    pair.romeo.engine.add_content([content("c"), content("d")])
    pair.romeo.flush()
    pair.settle()
    pair.romeo.engine.remove_content("c")
    pair.romeo.engine.take_events()
    [accepted] = receive(pair.romeo.engine, jingle(A.CONTENT_ACCEPT, content("c"), content("d"), content("d")))
    assert accepted == ContentAccepted(contents=(content("d"),))


def test_movim_accepts_an_addition_with_a_session_accept(pair: Pair) -> None:
    romeo = pair.romeo.engine
    romeo.add_content([content("video")])
    romeo.take_events()
    answer = jingle(A.SESSION_ACCEPT, content(), content("video", detail="answer"), content("noise"))
    [accepted] = receive(romeo, answer)
    assert accepted == ContentAccepted(contents=(content("video", detail="answer"),))
    assert refusal(romeo, answer).jingle == "out-of-order"


def test_an_initial_content_can_be_answered_by_itself() -> None:
    pair = Pair(content(), content("video"))
    pair.settle()
    pair.juliet.engine.accept_content([content()])
    pair.juliet.engine.reject_content("video", reason=WHY)
    pair.juliet.flush()
    pair.settle()
    assert states(pair, "voice") == {ContentState.ACCEPTED}
    assert states(pair, "video") == {ContentState.REJECTED}
    # A session-accept has to name a content all the same (section 7.2.8), though it is accepted already.
    receive(pair.romeo.engine, jingle(A.SESSION_ACCEPT, content()))
    assert pair.romeo.engine.state is SessionState.ACTIVE


# Ties.


def test_the_initiators_addition_overrules_the_responders(pair: Pair) -> None:
    pair.romeo.engine.add_content([content("video")])
    pair.juliet.engine.add_content([content("slides", Role.RESPONDER)])
    pair.romeo.flush()
    pair.juliet.flush()
    pair.settle()
    [refused] = of(pair.juliet.log, Refused)
    assert (refused.condition, refused.jingle) == ("conflict", "tie-break")
    assert of(pair.juliet.log, ContentRejected) == [ContentRejected(contents=(ContentId(Role.RESPONDER, "slides"),))]
    assert of(pair.juliet.log, ContentAdded) == [ContentAdded(contents=(content("video"),))]
    assert not of(pair.romeo.log, Refused)
    assert not of(pair.romeo.log, ContentAdded)


def test_the_initiators_direction_overrules_the_responders(pair: Pair) -> None:
    pair.romeo.engine.modify_content("voice", Senders.INITIATOR)
    pair.juliet.engine.modify_content("voice", Senders.RESPONDER)
    pair.romeo.flush()
    pair.juliet.flush()
    pair.settle()
    for end in (pair.romeo, pair.juliet):
        assert end.engine.contents.require("voice").senders is Senders.INITIATOR
    [refused] = of(pair.juliet.log, Refused)
    assert refused.jingle == "tie-break"


def test_directions_of_two_contents_are_no_tie() -> None:
    pair = Pair(content(), content("video")).active()
    pair.romeo.engine.modify_content("voice", Senders.INITIATOR)
    pair.juliet.engine.modify_content("video", Senders.RESPONDER)
    pair.romeo.flush()
    pair.juliet.flush()
    pair.settle()
    assert of(pair.juliet.log, Refused) == []
    assert pair.romeo.engine.contents.require("video").senders is Senders.RESPONDER


# Directions.


def test_a_direction_is_in_force_once_it_is_acknowledged(pair: Pair) -> None:
    token = pair.juliet.engine.modify_content("voice", Senders.NONE, reason=WHY)

    def senders() -> Senders:
        return pair.juliet.engine.contents.require("voice").senders

    modify = sent(pair.juliet.engine).jingle
    assert modify == jingle(
        A.CONTENT_MODIFY, Content(creator=Role.INITIATOR, name="voice", senders=Senders.NONE), reason=WHY
    )
    assert senders() is Senders.BOTH
    pair.juliet.engine.acknowledged(token)
    assert senders() is Senders.NONE
    [modified] = receive(pair.romeo.engine, modify)
    assert modified == ContentModified(content=voice(), senders=Senders.NONE, reason=WHY)


def test_a_direction_that_is_missing_means_both(pair: Pair) -> None:
    [modified] = receive(pair.romeo.engine, jingle(A.CONTENT_MODIFY, named()))
    assert modified == ContentModified(content=voice(), senders=Senders.BOTH)


def test_nothing_is_accepted_while_its_direction_is_open() -> None:
    pair = Pair()
    pair.settle()
    token = pair.juliet.engine.modify_content("voice", Senders.INITIATOR)
    with pytest.raises(LocalProtocolError, match="content-modify about it is unanswered"):
        pair.juliet.engine.accept([content()])
    pair.juliet.engine.acknowledged(token)
    pair.juliet.engine.accept([content()])
    assert pair.juliet.engine.contents.require("voice").senders is Senders.INITIATOR


def test_only_what_there_is_can_be_turned(pair: Pair) -> None:
    with pytest.raises(LocalProtocolError):
        pair.romeo.engine.modify_content("noise", Senders.NONE)
    assert refusal(pair.romeo.engine, jingle(A.CONTENT_MODIFY, named("noise"))).condition == "bad-request"


# Removing, and sessions without contents.


def test_a_content_is_removed() -> None:
    pair = Pair(content(), content("video")).active()
    pair.romeo.engine.remove_content(VIDEO, reason=WHY)
    removal = sent(pair.romeo.engine).jingle
    assert removal == jingle(A.CONTENT_REMOVE, named("video"), reason=WHY)
    assert receive(pair.juliet.engine, removal) == [ContentRemoved(contents=(VIDEO,), reason=WHY)]
    assert states(pair, "video") == {ContentState.REMOVED}
    # Once more, or one that never was: that is the case already.
    assert receive(pair.juliet.engine, removal) == []
    assert receive(pair.juliet.engine, jingle(A.CONTENT_REMOVE, named("noise"))) == []
    with pytest.raises(LocalProtocolError, match="removed"):
        pair.romeo.engine.remove_content("video")


def test_the_receiver_ends_a_session_without_contents(pair: Pair) -> None:
    pair.romeo.engine.remove_content("voice")
    pair.romeo.flush()
    pair.settle()
    for end, by_peer in ((pair.juliet, False), (pair.romeo, True)):
        [ended] = of(end.log, SessionEnded)
        assert ended.reason is not None
        assert (ended.reason.condition, ended.by_peer) == (ReasonCondition.SUCCESS, by_peer)


def test_the_receiver_of_the_last_rejection_ends_the_session() -> None:
    pair = Pair()
    pair.settle()
    pair.juliet.engine.reject_content("voice")
    pair.juliet.flush()
    pair.settle()
    assert pair.romeo.engine.state is pair.juliet.engine.state is SessionState.ENDED
    assert not of(pair.romeo.log, SessionEnded)[0].by_peer


def test_both_remove_the_last_content_at_once(pair: Pair) -> None:
    for end in (pair.romeo, pair.juliet):
        end.engine.remove_content("voice")
        end.flush()
    pair.settle()
    assert pair.romeo.engine.state is pair.juliet.engine.state is SessionState.ENDED


def test_a_refused_addition_that_leaves_nothing_ends_the_session(pair: Pair) -> None:
    romeo = pair.romeo.engine
    token = romeo.add_content([content("video")])
    receive_only = jingle(A.CONTENT_REMOVE, named())
    romeo.take_events()
    assert of(receive(romeo, receive_only), SessionEnded) == []
    romeo.refused(token, "feature-not-implemented")
    refused, rejected, terminate, ended = romeo.take_events()
    assert rejected == ContentRejected(contents=(VIDEO,))
    assert isinstance(refused, Refused)
    assert isinstance(terminate, Send)
    assert isinstance(ended, SessionEnded)


def test_a_refused_addition_that_is_gone_anyway_is_no_news(pair: Pair) -> None:
    romeo = pair.romeo.engine
    token = romeo.add_content([content("video")])
    romeo.remove_content("video")
    romeo.take_events()
    romeo.refused(token, "conflict", "tie-break")
    assert [type(event) for event in romeo.take_events()] == [Refused]


# Information about contents.


def test_information_about_a_content_is_handed_up(pair: Pair) -> None:
    pair.juliet.engine.description_info("voice", description("width"))
    pair.juliet.engine.security_info(voice(), payload("security"))
    pair.juliet.flush()
    pair.settle()
    assert of(pair.romeo.log, DescriptionInfo) == [DescriptionInfo(content=voice(), description=description("width"))]
    assert of(pair.romeo.log, SecurityInfo) == [SecurityInfo(content=voice(), security=payload("security"))]


@pytest.mark.parametrize("action", [A.DESCRIPTION_INFO, A.SECURITY_INFO, A.TRANSPORT_INFO])
@pytest.mark.parametrize("contents", [(), (named("noise"),), (named(),)])
def test_empty_information_is_no_reason_for_an_error(pair: Pair, action: Action, contents: tuple[object, ...]) -> None:
    """Conversations ends the call when any of its requests gets an error."""
    assert receive(pair.romeo.engine, jingle(action, *contents)) == []  # type: ignore[arg-type]


def test_information_about_a_dead_content_is_a_mistake(pair: Pair) -> None:
    pair.romeo.engine.add_content([content("video")])
    pair.romeo.engine.remove_content("video")
    pair.romeo.engine.take_events()
    with pytest.raises(LocalProtocolError, match="removed"):
        pair.romeo.engine.description_info("video", description())


def test_a_rejection_that_names_nothing_is_about_everything_that_is_open(pair: Pair) -> None:
    """stanza.js acknowledges a content-add, and rejects it without a word about which."""
    romeo = pair.romeo.engine
    romeo.add_content([content("video"), content("slides")])
    pair.romeo.flush()
    pair.settle()
    reason = Reason(condition=ReasonCondition.FAILED_APPLICATION)
    assert receive(romeo, jingle(A.CONTENT_REJECT, reason=reason)) == [
        ContentRejected(contents=(named_id("video"), named_id("slides")), reason=reason)
    ]
    assert romeo.contents.require("voice").live
    assert refusal(romeo, jingle(A.CONTENT_REJECT)).condition == "bad-request"


def named_id(name: str) -> ContentId:
    return ContentId(Role.INITIATOR, name)
