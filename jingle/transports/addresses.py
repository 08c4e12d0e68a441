"""Changes of this machine's addresses, as they happen: told by rtnetlink(7) on Linux, looked for elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable

from .ice_gathering import host_addresses

log = logging.getLogger(__name__)

SETTLE = 0.05
"""Seconds between the first message about a change and the look at its outcome: they come in swarms."""

POLL_INTERVAL = 2.0
"""Seconds between two looks where nothing tells of changes."""

_NETLINK_ROUTE = 0
_ADDRESS_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR; Python has no names for them
_MESSAGES = 1 << 16

Changed = Callable[[frozenset[str], frozenset[str]], None]


class AddressWatch:
    """Watches while somebody wants to know; costs nothing before and after.

    Only addresses that can be used count: those that a socket can be bound to, without loopback and link-local ones.
    An IPv6 address is told once the network has been asked for duplicates.
    """

    def __init__(self) -> None:
        self._subscribers: list[Changed] = []
        self._known: frozenset[str] = frozenset()
        self._netlink: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self, changed: Changed) -> Callable[[], None]:
        """Call `changed(gone, new)` after every change; the function that comes back ends that."""
        if not self._subscribers:
            self._start()
        self._subscribers.append(changed)

        def unsubscribe() -> None:
            if changed in self._subscribers:
                self._subscribers.remove(changed)
                if not self._subscribers:
                    self._stop()

        return unsubscribe

    def close(self) -> None:
        """Tell nobody anything any more."""
        if self._subscribers:
            self._subscribers.clear()
            self._stop()

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._netlink = _open_netlink()
        self._known = usable_addresses()
        if self._netlink is not None:
            loop.add_reader(self._netlink, self._heard)
        else:
            self._timer = loop.call_later(POLL_INTERVAL, self._look)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._netlink is not None:
            asyncio.get_running_loop().remove_reader(self._netlink)
            self._netlink.close()
            self._netlink = None

    def _heard(self) -> None:
        assert self._netlink is not None
        # What exactly has changed is asked for afterwards. An overflow (ENOBUFS) tells of changes too.
        with contextlib.suppress(OSError):
            self._netlink.recv(_MESSAGES)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._netlink is None:
            self._timer = asyncio.get_running_loop().call_later(POLL_INTERVAL, self._look)
        before, self._known = self._known, usable_addresses()
        gone, new = before - self._known, self._known - before
        if not gone and not new:
            return
        log.info("addresses of this machine: %s gone, %s new", sorted(gone) or "none", sorted(new) or "none")
        for changed in list(self._subscribers):
            changed(gone, new)


def usable_addresses() -> frozenset[str]:
    """The addresses of this machine that a socket can be bound to, without loopback and link-local ones."""
    return frozenset(filter(_is_usable, host_addresses()))


def _is_usable(address: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError:  # tentative (RFC 4862 section 5.4), or gone by now
            return False
    return True


def _open_netlink() -> socket.socket | None:
    if sys.platform != "linux":
        return None
    netlink: socket.socket | None = None
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
        netlink.setblocking(False)
        netlink.bind((0, _ADDRESS_GROUPS))
    except OSError as error:  # a sandbox may forbid it
        log.info("no netlink here, addresses are looked at every %g s: %s", POLL_INTERVAL, error)
        if netlink is not None:
            netlink.close()
        return None
    return netlink
