"""XEP-0300: Use of Cryptographic Hash Functions in XMPP (v1.0.0): which functions, and hashing while bytes flow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ...elements.hashes import FEATURE_PREFIX, NS, Hash
from ...errors import RemoteProtocolError

DEFAULT = "sha-256"
"""What we hash with: fast where the processor helps, strong, and known to every deployed client."""

_FUNCTIONS: Mapping[str, Any] = {
    "sha-256": hashlib.sha256,
    "sha-512": hashlib.sha512,
    "sha3-256": hashlib.sha3_256,
    "sha3-512": hashlib.sha3_512,
    "blake2b-256": partial(hashlib.blake2b, digest_size=32),
    "blake2b-512": hashlib.blake2b,
    "sha-1": partial(hashlib.sha1, usedforsecurity=False),
}
"""What we know, the ones we would rather be given first. `md5` is not among them: everybody can forge it."""

ALGORITHMS = tuple(_FUNCTIONS)
SIZES: Mapping[str, int] = {name: function().digest_size for name, function in _FUNCTIONS.items()}
FEATURES = (NS, *(FEATURE_PREFIX + name for name in ALGORITHMS))
"""What disco#info says (section 5)."""

MOST_HASHES = 16
"""Of one file that are looked at; there are not that many functions."""


def known(algorithms: Iterable[str]) -> tuple[str, ...]:
    """Return those that we have, each once and spelled as registered, in the order given."""
    return tuple(dict.fromkeys(name for each in algorithms if (name := each.strip().lower()) in _FUNCTIONS))


def choose(algorithms: Iterable[str]) -> tuple[str, ...]:
    """Return what to hash a file with whose digests come in these algorithms: the default, and one of them.

    The default is always there, because a late `<checksum/>` may use another function than was announced and because
    users are told it.
    """
    offered = set(known(algorithms))
    if not offered or DEFAULT in offered:
        return (DEFAULT,)
    return (DEFAULT, next(name for name in ALGORITHMS if name in offered))


def digests_of(hashes: Iterable[Hash]) -> dict[str, bytes]:
    """Return the digests that we can check, by algorithm; an empty one (XEP-0234 section 5) is none.

    Raises:
        RemoteProtocolError: One cannot be a digest of its algorithm, or two of the same algorithm differ.
    """
    digests: dict[str, bytes] = {}
    for each in list(hashes)[:MOST_HASHES]:
        for name in known([each.algo] if each.value else []):
            if len(each.value) != SIZES[name]:
                raise RemoteProtocolError(f"a digest of {name} has {SIZES[name]} bytes, not {len(each.value)}")
            if digests.setdefault(name, each.value) != each.value:
                raise RemoteProtocolError(f"two different digests of {name} for one file")
    return digests


def elements_of(digests: Mapping[str, bytes]) -> tuple[Hash, ...]:
    """Return the `<hash/>` elements of these digests."""
    return tuple(Hash(algo=name, value=value) for name, value in digests.items())


class Digester:
    """Several hash functions over the same bytes.

    Args:
        algorithms: Of `ALGORITHMS`.
    """

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._running = {name: _FUNCTIONS[name]() for name in algorithms}

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Hash some more; other threads run meanwhile, as hashlib holds no lock over more than 2 KiB."""
        for running in self._running.values():
            running.update(data)

    def digests(self) -> dict[str, bytes]:
        """The digests of all so far, by algorithm."""
        return {name: running.digest() for name, running in self._running.items()}
