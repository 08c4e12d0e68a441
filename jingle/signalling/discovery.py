"""XEP-0030 and XEP-0115: what we announce, what a peer's devices can do, and which of them to call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from slixmpp import JID
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.stanza import Presence

log = logging.getLogger(__name__)

NS_JINGLE = "urn:xmpp:jingle:1"
NS_JINGLE_MESSAGE = "urn:xmpp:jingle-message:0"

QUERY_TIMEOUT = 5.0
PRESENCE_GRACE = 1.0
"""Seconds to wait, just after login, for the presence of a contact that may be on its way."""

MAX_KNOWN_DEVICES = 2000
MAX_DEVICES_ASKED = 16


@dataclass(frozen=True, kw_only=True)
class Device:
    """One online device of somebody."""

    jid: str
    """Full JID."""

    priority: int
    features: frozenset[str]
    """What its disco#info says; empty where it did not answer."""


class Discovery:
    """Features of ours and of others."""

    def __init__(self, xmpp: BaseXMPP) -> None:
        self.xmpp = xmpp
        self._features: dict[str, frozenset[str]] = {}
        self._seen = asyncio.Event()
        for event in ("presence_available", "presence_unavailable"):
            xmpp.add_event_handler(event, self._forget)

    def close(self) -> None:
        """Stop listening to presence."""
        for event in ("presence_available", "presence_unavailable"):
            self.xmpp.del_event_handler(event, self._forget)

    def announce(self, features: Iterable[str]) -> None:
        """Put features into our disco#info; the next presence carries the caps that follow from them."""
        for feature in sorted(set(features)):
            self.xmpp.plugin["xep_0030"].add_feature(feature)

    async def features_of(self, jid: str) -> frozenset[str]:
        """The features of a full JID or a server; empty where it does not answer in time."""
        known = self._features.get(jid)
        if known is not None:
            return known
        try:
            info = await self.xmpp.plugin["xep_0030"].get_info(jid=JID(jid), cached=True, timeout=QUERY_TIMEOUT)
        except (IqError, IqTimeout) as exc:
            log.info("%s does not say what it can do: %s", jid, exc)
            return frozenset()
        found = frozenset(str(feature) for feature in info["disco_info"]["features"])
        if len(self._features) >= MAX_KNOWN_DEVICES:
            self._features.clear()
        self._features[jid] = found
        return found

    async def devices(self, bare: str, *, contact: bool) -> tuple[Device, ...]:
        """The online devices of `bare` with their features, best priority first.

        Empty where their presence is not for us to see; waits up to `PRESENCE_GRACE` for that of a contact.
        """
        if contact and not self._resources(bare):
            await self._wait_for_presence(bare)
        resources = self._resources(bare)[:MAX_DEVICES_ASKED]
        features = await asyncio.gather(*(self.features_of(jid) for jid, _ in resources))
        return tuple(
            Device(jid=jid, priority=priority, features=found)
            for (jid, priority), found in zip(resources, features, strict=True)
        )

    def _resources(self, bare: str) -> list[tuple[str, int]]:
        if self.xmpp.is_component or bare not in self.xmpp.client_roster.keys():
            return []
        own = str(self.xmpp.boundjid.full)
        found = [
            (f"{bare}/{resource}", int(presence.get("priority") or 0))
            for resource, presence in self.xmpp.client_roster[bare].resources.items()
            if f"{bare}/{resource}" != own
        ]
        return sorted(found, key=lambda device: -device[1])

    async def _wait_for_presence(self, bare: str) -> None:
        try:
            async with asyncio.timeout(PRESENCE_GRACE):
                while not self._resources(bare):
                    self._seen.clear()
                    await self._seen.wait()
        except TimeoutError:
            log.debug("no presence of %s within %g s", bare, PRESENCE_GRACE)

    def _forget(self, presence: Presence) -> None:
        """A presence may bring new caps, so what was known of that device is asked again."""
        self._features.pop(str(presence["from"]), None)
        self._seen.set()


def best_device(devices: Iterable[Device], wanted: frozenset[str]) -> Device | None:
    """The device to call directly: the one of highest priority that has Jingle and all that is `wanted`."""
    return next((device for device in devices if wanted | {NS_JINGLE} <= device.features), None)
