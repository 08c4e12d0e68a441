"""Names of files that a peer made up (XEP-0234 section 12), and what they may be called here.

Every name that comes out of here is good on every file system in use, also on the one that a disk is carried to next:
what only Windows forbids is changed everywhere.
"""

from __future__ import annotations

import re
import unicodedata

from ...elements import bounds

PART_SUFFIX = ".part"
"""Of a file that is not complete yet."""

SIDECAR_SUFFIX = ".part.json"
"""Of what is known about it."""

DRAFT = "~"
"""Behind the name of a sidecar while it is written."""

LONGEST_NAME = 200
"""Bytes of a name in UTF-8. File systems take 255, and a number and our own suffixes have to fit in there too."""

LONGEST_PATH = 1000
"""Bytes of a relative name; with the target's own it has to stay under the 4096 that systems take."""

DEEPEST_PATH = 16
"""Components of a relative name. A peer may make up folders, but not thousands inside each other."""

LONGEST_EXTENSION = 32
"""Bytes of what is kept as the extension when a name is cut."""

FALLBACK = "file"

_OWN_SUFFIXES = (PART_SUFFIX, SIDECAR_SUFFIX, SIDECAR_SUFFIX + DRAFT)
_SEPARATOR = re.compile(r"[/\\]")
_DRIVE = re.compile(r"[A-Za-z]:")
# What Windows forbids, the colon of NTFS streams and drive letters with it; and C0, DEL and C1.
_RESERVED = re.compile('[<>:"|?*\x00-\x1f\x7f-\x9f]')
# Windows takes dots and spaces off the end, so that two names would be one.
_TAIL = re.compile(r"[\s.]+\Z")
_UNSENDABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_JOINERS = "\u200c\u200d"
_DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"
}


def safe_name(name: str | None, *, fallback: str = FALLBACK, keeps_hidden: bool = False) -> str:
    """Return a name for a single file, whatever the peer called it.

    Of a path its last component is taken. Characters that mean something to a file system become `_`, those that
    nobody can see (bidirectional overrides above all) vanish. Applying it twice changes nothing more.

    Args:
        name: What the peer wrote.
        fallback: The name where nothing usable is left.
        keeps_hidden: Leave a dot in front; without, `.bashrc` becomes `_bashrc`.
    """
    components = _components(_visible(name or ""))
    text = _RESERVED.sub("_", components[-1]) if components else ""
    text = _TAIL.sub("", text.lstrip())
    if not text.strip(f".{_JOINERS}"):
        return fallback
    if text.startswith(".") and not keeps_hidden:
        text = "_" + text.lstrip(".")
    # A dash in front turns a name into an option of the command somebody runs on it.
    if text.startswith("-") or text.partition(".")[0].rstrip().upper() in _DEVICES:
        text = "_" + text.removeprefix("-")
    text = _shortened(text, LONGEST_NAME - 1)
    # A file of the peer's must never pass for what we know about another transfer.
    return f"{text}_" if text.lower().endswith(_OWN_SUFFIXES) else text


def safe_path(name: str | None, *, keeps_hidden: bool = False) -> tuple[str, ...]:
    """Return where in its target a file of a folder belongs: the folders on the way, and its name.

    Only a relative name that stays below where it starts makes folders. An absolute one, one with `..` in it, or one
    that is too deep or too long gives its last component alone.
    """
    text = _visible(name or "")
    components = _components(text)
    is_relative = not _SEPARATOR.match(text) and not _DRIVE.match(text) and ".." not in _SEPARATOR.split(text)
    if is_relative and 1 < len(components) <= DEEPEST_PATH:
        folders = [safe_name(each, fallback="folder", keeps_hidden=keeps_hidden) for each in components[:-1]]
        path = (*folders, safe_name(components[-1], keeps_hidden=keeps_hidden))
        if sum(len(each.encode()) + 1 for each in path) <= LONGEST_PATH:
            return path
    return (safe_name(name, keeps_hidden=keeps_hidden),)


def numbered(name: str, number: int) -> str:
    """Return what a file is called where its name is taken: `name (2).ext`; the name itself for 1."""
    if number == 1:
        return name
    stem, extension = split_extension(name)
    return f"{stem} ({number}){extension}"


def split_extension(name: str) -> tuple[str, str]:
    """Split into stem and extension, of which `.tar.gz` is one; a dot in front is no extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem.strip("."):
        return name, ""
    if stem.lower().endswith(".tar") and len(stem) > 4:
        return stem[:-4], f"{stem[-4:]}{dot}{extension}"
    return stem, dot + extension


def sendable_name(name: str) -> str:
    """Return a name of ours as XML can carry it and a peer takes it; where it is too long, its end."""
    return _UNSENDABLE.sub("_", name)[-bounds.KEY :]


def _visible(name: str) -> str:
    """Take away what cannot be seen and what no file system can store; one spelling for each character.

    The joiners stay: Persian and the emoji need them.
    """
    kept = (c for c in name if c in _JOINERS or unicodedata.category(c) not in ("Cf", "Zl", "Zp", "Cs"))
    return unicodedata.normalize("NFC", "".join(kept))


def _components(name: str) -> list[str]:
    """The components of a path of any system, without those that name no file."""
    return [each for each in _SEPARATOR.split(name) if each not in ("", ".", "..")]


def _shortened(name: str, longest: int) -> str:
    """Cut the stem, or without an extension worth keeping the name, to a number of bytes."""
    if len(name.encode()) <= longest:
        return name
    stem, extension = split_extension(name)
    if len(extension.encode()) > LONGEST_EXTENSION:
        stem, extension = name, ""
    room = longest - len(extension.encode())
    stem = stem.encode()[:room].decode(errors="ignore")
    return _TAIL.sub("", stem) + extension
