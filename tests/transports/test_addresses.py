"""The watch over this machine's addresses: in a network that the test changes, and where nothing tells of changes."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from jingle.transports import addresses
from jingle.transports.addresses import AddressWatch
from tests.servers.namespace import network

WATCHER = """
import asyncio
from jingle.transports.addresses import AddressWatch

async def main():
    watch = AddressWatch()
    watch.subscribe(lambda gone, new: print(*sorted(gone), "->", *sorted(new), flush=True))
    print("watching", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, input)
    watch.close()

asyncio.run(main())
"""


@pytest.fixture
def watcher() -> Iterator[tuple[list[str], subprocess.Popen[str]]]:
    """A program that watches in a network of its own, and what goes before a command that changes that network."""
    with network("192.0.2.1/32") as prefix:
        command = [*prefix, sys.executable, "-W", "error", "-c", WATCHER]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "watching\n"
            yield prefix, process
            process.stdin.close()
        assert process.returncode == 1  # input() met the end


def test_the_kernel_tells(watcher: tuple[list[str], subprocess.Popen[str]]) -> None:
    prefix, process = watcher
    assert process.stdout is not None

    def change(*words: str) -> str:
        assert process.stdout is not None
        subprocess.run([*prefix, "ip", "address", *words, "dev", "lo"], check=True)
        return process.stdout.readline().strip()

    started = time.perf_counter()
    assert change("add", "192.0.2.2/32") == "-> 192.0.2.2"
    assert change("add", "2001:db8::1/128") == "-> 2001:db8::1"
    assert change("del", "192.0.2.1/32") == "192.0.2.1 ->"
    assert time.perf_counter() - started < addresses.POLL_INTERVAL
    # Neither loopback nor what is no address to be reached under is told.
    subprocess.run([*prefix, "ip", "address", "add", "127.0.0.9/8", "dev", "lo"], check=True)
    assert change("del", "2001:db8::1/128") == "2001:db8::1 ->"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The machine's addresses as a test sets them, without anybody who tells of changes."""
    found = {"192.0.2.1"}
    monkeypatch.setattr(addresses, "_open_netlink", lambda: None)
    monkeypatch.setattr(addresses, "usable_addresses", lambda: frozenset(found))
    monkeypatch.setattr(addresses, "POLL_INTERVAL", 0.02)
    return found


async def test_where_nobody_tells_it_is_looked_for(found: set[str]) -> None:
    told: list[tuple[set[str], set[str]]] = []
    watch = AddressWatch()
    unsubscribe = watch.subscribe(lambda gone, new: told.append((set(gone), set(new))))
    await asyncio.sleep(0.1)
    assert told == []
    found.symmetric_difference_update({"192.0.2.1", "2001:db8::1"})
    await asyncio.sleep(0.1)
    assert told == [({"192.0.2.1"}, {"2001:db8::1"})]
    unsubscribe()
    unsubscribe()
    found.clear()
    await asyncio.sleep(0.1)
    assert len(told) == 1


async def test_without_listeners_nothing_is_open() -> None:
    watch = AddressWatch()
    told: list[tuple[frozenset[str], frozenset[str]]] = []
    first, second = watch.subscribe(lambda *change: told.append(change)), watch.subscribe(lambda *change: None)
    netlink = watch._netlink
    assert netlink is not None
    first()
    assert netlink.fileno() >= 0
    second()
    assert netlink.fileno() == -1
    watch.subscribe(lambda gone, new: None)
    watch.close()
    watch.close()
    assert watch._netlink is None


def test_an_address_that_cannot_be_bound_to_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as an IPv6 address that the network is still being asked about (RFC 4862 section 5.4)."""
    monkeypatch.setattr(addresses, "host_addresses", lambda: ["192.0.2.1", "127.0.0.1", "2001:db8::7"])
    assert addresses.usable_addresses() == {"127.0.0.1"}


async def test_a_sandbox_without_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object) -> None:
        raise PermissionError("no netlink here")

    monkeypatch.setattr(socket, "socket", forbidden)
    assert addresses._open_netlink() is None
