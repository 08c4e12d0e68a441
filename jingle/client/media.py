"""The media of a session, and what was counted in them."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..applications.rtp.call import RtpApplication
from ..applications.rtp.history import with_rates
from ..applications.rtp.stats import MediaStats
from ..peer.ending import Ending
from ..peer.live import LiveSession


def rtp_applications(live: LiveSession) -> list[RtpApplication]:
    """The media of a session in which somebody sends, in the order of its contents."""
    found = (content.application for content in live.active)
    return [each for each in found if isinstance(each, RtpApplication) and each.is_active]


def wanted_media(live: LiveSession) -> tuple[str, ...]:
    """The names of all media of a session, those in which nobody sends included."""
    found = (content.application for content in live.contents.values())
    return tuple(application.medium for application in found if isinstance(application, RtpApplication))


def media_of(live: LiveSession) -> tuple[str, ...]:
    """The names of the media of a session."""
    return tuple(application.medium for application in rtp_applications(live))


def stats_of(live: LiveSession) -> dict[str, MediaStats]:
    """The counters of a session by medium."""
    return {application.medium: application.stats() for application in rtp_applications(live)}


def final_stats(live: LiveSession, ending: Ending) -> dict[str, MediaStats]:
    """The counters of a session that has ended, with the rates over the whole of it."""
    return {medium: with_rates(stats, MediaStats(), ending.seconds) for medium, stats in stats_of(live).items()}


def stats_fields(stats: dict[str, MediaStats]) -> dict[str, Any]:
    """The counters as the `stats` and `ended` events carry them."""
    return {medium: dataclasses.asdict(counted) for medium, counted in stats.items()}
