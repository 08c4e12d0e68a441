"""XEP-0264: thumbnails of files, which travel in stanzas of their own (XEP-0231) when somebody wants to see them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable

from ..elements.bob import NS, BobData
from ..elements.declare import Element
from ..elements.file_transfer import Thumbnail as Described
from ..elements.jids import bare
from ..errors import RemoteProtocolError
from ..media.thumbnail import MEDIA_TYPE, SmallPicture
from ..signalling.binding import Binding

FEATURES = (NS,)

_CID = re.compile(r"(sha-?1|sha-?256)\+([0-9a-f]{40}|[0-9a-f]{64})@bob\.xmpp\.org")
_FUNCTIONS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}

LARGEST = 65536
"""Bytes of somebody else's thumbnail. XEP-0231 wants them under 8 KiB, and servers let less than this through."""

MOST = 8
"""Thumbnails of one file that are looked at."""

LONGEST_SIDE = 512
"""Pixels that are believed (section 5)."""

MAX_AGE = 86400
"""Seconds for which whoever gets it may keep it."""


class Thumbnail:
    """The picture in small that somebody offers with a file.

    Attributes:
        media_type: What they say it is, such as `image/jpeg`, or `None`.
        width: Pixels, at most 512, as a hint for the room that it takes; `None` where they do not say.
        height: Likewise.
    """

    def __init__(self, binding: Binding, peer: str, described: Described) -> None:
        self.media_type = described.media_type
        self.width, self.height = (
            None if side is None else min(side, LONGEST_SIDE) for side in (described.width, described.height)
        )
        self._binding, self._peer = binding, peer
        self._cid = described.uri.removeprefix("cid:")

    async def fetch(self, *, timeout: float = 30.0) -> bytes:
        """Ask for it, and return its bytes, at most 64 KiB; what they are is for the program to find out.

        Args:
            timeout: Seconds.

        Raises:
            SignallingError: They do not give it, or not in time.
            RemoteProtocolError: What came is something else, or too large.
        """
        wish = BobData(cid=self._cid, data=b"")
        answer = await self._binding.request(self._peer, wish, kind="get", timeout=timeout)
        if not isinstance(answer, BobData) or answer.cid != self._cid or len(answer.data) > LARGEST:
            raise RemoteProtocolError("what came is not the thumbnail")
        function, digest = _parts(self._cid) or ("", "")
        if _FUNCTIONS[function](answer.data).hexdigest() != digest:
            raise RemoteProtocolError("the thumbnail arrived damaged")
        return answer.data


def offered_thumbnail(binding: Binding, peer: str, described: Iterable[Described]) -> Thumbnail | None:
    """The first thumbnail that can be asked for in the stream; those on web servers would tell them who we are."""
    for each in tuple(described)[:MOST]:
        if each.uri.startswith("cid:") and _parts(each.uri.removeprefix("cid:")) is not None:
            return Thumbnail(binding, peer, each)
    return None


def describe(picture: SmallPicture) -> Described:
    """The element that offers a picture."""
    return Described(uri=f"cid:{_cid_of(picture)}", media_type=MEDIA_TYPE, width=picture.width, height=picture.height)


class Lending:
    """Gives our thumbnails to those whom we have offered them to, as long as we offer them."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._lent: Counter[tuple[str, str]] = Counter()
        self._pictures: dict[str, SmallPicture] = {}
        self._stop: Callable[[], None] | None = None

    def lend(self, account: str, pictures: Iterable[SmallPicture]) -> Callable[[], None]:
        """Let the devices of a bare JID have pictures, until the function that comes back is called."""
        pictures = tuple(pictures)
        lent = [(account, _cid_of(picture)) for picture in pictures]
        self._pictures.update((_cid_of(picture), picture) for picture in pictures)
        self._lent.update(lent)
        if self._lent and self._stop is None:
            self._stop = self._binding.on_request(NS, self._answer, kind="get")

        def take_back() -> None:
            self._lent.subtract(lent)
            self._lent += Counter()  # drops what nobody may have any more
            wanted = {cid for _, cid in self._lent}
            self._pictures = {cid: picture for cid, picture in self._pictures.items() if cid in wanted}
            if not self._lent and self._stop is not None:
                self._stop()
                self._stop = None

        return take_back

    async def _answer(self, sender: str, wish: Element) -> Element:
        if not isinstance(wish, BobData) or (bare(sender), wish.cid) not in self._lent:
            raise RemoteProtocolError("there is nothing of that name", condition="item-not-found")
        return BobData(cid=wish.cid, type=MEDIA_TYPE, max_age=MAX_AGE, data=self._pictures[wish.cid].data)


def _cid_of(picture: SmallPicture) -> str:
    return f"sha1+{hashlib.sha1(picture.data, usedforsecurity=False).hexdigest()}@bob.xmpp.org"


def _parts(cid: str) -> tuple[str, str] | None:
    """The hash function that a name tells, and the digest."""
    match = _CID.fullmatch(cid)
    function = match[1].replace("-", "") if match else ""
    return (function, match[2]) if match and len(match[2]) == 2 * _FUNCTIONS[function]().digest_size else None
