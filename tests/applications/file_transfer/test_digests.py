from __future__ import annotations

import hashlib

import pytest

from jingle.applications.file_transfer.digests import (
    ALGORITHMS,
    FEATURES,
    SIZES,
    Digester,
    choose,
    digests_of,
    elements_of,
    known,
)
from jingle.elements.hashes import Hash
from jingle.errors import RemoteProtocolError

# Of b"abc": FIPS 180-4 and FIPS 202 examples, RFC 7693 appendix A; blake2b-256 from `b2sum -l 256`.
ABC = {
    "sha-1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha-256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha-512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "sha3-256": "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    "sha3-512": "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
    "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
    "blake2b-256": "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
    "blake2b-512": "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
}


def test_every_function_gives_what_its_standard_says() -> None:
    assert set(ABC) == set(ALGORITHMS)
    digester = Digester(ALGORITHMS)
    for part in (b"a", memoryview(b"bc")):
        digester.update(part)
    assert {name: value.hex() for name, value in digester.digests().items()} == ABC
    assert {name: len(value) // 2 for name, value in ABC.items()} == dict(SIZES)


def test_features_name_every_function() -> None:
    assert FEATURES[0] == "urn:xmpp:hashes:2"
    assert "urn:xmpp:hash-function-text-names:blake2b-512" in FEATURES
    assert len(FEATURES) == len(ALGORITHMS) + 1
    assert not any("md5" in feature for feature in FEATURES)


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        ([], ("sha-256",)),
        (["sha-256", "sha-512"], ("sha-256",)),
        (["sha-1"], ("sha-256", "sha-1")),
        (["sha-1", "blake2b-512"], ("sha-256", "blake2b-512")),
        (["SHA-512 "], ("sha-256", "sha-512")),
        (["md5"], ("sha-256",)),
        (["whirlpool", "sha3-512"], ("sha-256", "sha3-512")),
    ],
)
def test_the_strongest_common_function_is_used(offered: list[str], used: tuple[str, ...]) -> None:
    assert choose(offered) == used


def test_unknown_functions_and_repetitions_are_left_out() -> None:
    assert known(["md5", "SHA-1", "sha-1", "crc32", "sha-256"]) == ("sha-1", "sha-256")


def test_digests_are_read() -> None:
    value = hashlib.sha256(b"").digest()
    read = digests_of([Hash(algo="SHA-256", value=value), Hash(algo="md5", value=b"x"), Hash(algo="sha-1", value=b"")])
    assert read == {"sha-256": value}
    assert elements_of(read) == (Hash(algo="sha-256", value=value),)


def test_what_cannot_be_a_digest_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="has 32 bytes, not 20"):
        digests_of([Hash(algo="sha-256", value=bytes(20))])
    with pytest.raises(RemoteProtocolError, match="two different"):
        digests_of([Hash(algo="sha-1", value=bytes(20)), Hash(algo="sha-1", value=bytes([1] * 20))])


def test_a_thousand_hashes_are_not_looked_at() -> None:
    many = [Hash(algo="md5", value=bytes(16))] * 16 + [Hash(algo="sha-1", value=bytes(20))]
    assert digests_of(many) == {}
