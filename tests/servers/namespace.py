"""A network of its own, for a machine that has only the addresses a test gives it, and a disk (Linux, root)."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conftest import missing, require_program

from .process import end, is_root

SETTLED = "ready"


@contextlib.contextmanager
def network(*addresses: str, silent: str | None = None) -> Iterator[list[str]]:
    """Hold a network with loopback and `addresses`; what comes back goes before a command to run it there.

    The addresses are put on the loopback interface: no other kind can be made everywhere, and to a program it is an
    address like any other. Whatever is sent elsewhere is refused at once.

    Args:
        addresses: What the network has.
        silent: One more, such as `192.0.2.1/24`: what is sent to the rest of its network is lost without a word.
    """
    unshare, nsenter, ip = (require_program(name) for name in ("unshare", "nsenter", "ip"))
    if not is_root():
        missing("a network of its own takes root")
    script = [f"{ip} link set lo up", *(f"{ip} address add {each} dev lo" for each in addresses)]
    if silent is not None:
        script += [
            f"{ip} link add hole type veth peer name bottom",
            f"{ip} address add {silent} dev hole",
            f"{ip} link set hole arp off up",
            f"{ip} link set bottom arp off up",
        ]
    script.append(f"echo {SETTLED}")
    command = [unshare, "--net", "sh", "-ec", f"{'; '.join(script)}; exec sleep 600"]
    holder = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stderr is not None
    try:
        if holder.stdout.readline().strip() != SETTLED:
            missing(f"no network of its own can be made here: {holder.stderr.read().strip()}")
        yield [nsenter, "--net", "--target", str(holder.pid)]
    finally:
        end(holder)
        holder.stdout.close()
        holder.stderr.close()


CABLE = "cable"
"""What the interface is called in both of two linked networks."""


@contextlib.contextmanager
def linked_networks(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Hold two networks with a cable between them, each with its addresses, such as `192.0.2.1/24`, at its end."""
    ip = require_program("ip")
    with network() as one, network() as other:
        ends = (one, first), (other, second)
        run(one, ip, "link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", other[-1])
        for prefix, addresses in ends:
            for address in addresses:
                change_address(prefix, "add", address)
            run(prefix, ip, "link", "set", CABLE, "up")
        yield one, other


def change_address(prefix: Sequence[str], verb: str, address: str) -> None:
    """`add` an address to an end of the cable, or `del` it; an IPv6 address can be used at once."""
    duplicates = ("nodad",) if verb == "add" and ":" in address else ()
    run(prefix, require_program("ip"), "address", verb, address, "dev", CABLE, *duplicates)


def run(prefix: Sequence[str], *command: str) -> None:
    """Run a command in a network, which must succeed."""
    subprocess.run([*prefix, *command], check=True, stdin=subprocess.DEVNULL)


def small_disk(folder: Path, size: str = "2m") -> list[str]:
    """What goes before a command that is to find a small disk of its own in `folder`; it vanishes with the command."""
    unshare, mount = require_program("unshare"), require_program("mount")
    if not is_root():
        missing("a disk of its own takes root")
    folder.mkdir(exist_ok=True)
    script = f'{mount} -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    return [unshare, "--mount", "sh", "-c", script, str(folder)]
