"""Who may reach us: contacts and our own devices, those named, or anyone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..elements.jids import bare

ANYONE = "*"


class Policy:
    """Decides by the sender's JID; everybody else gets the answer of a client without Jingle.

    Args:
        is_contact: Whether a JID is in the roster with a shared presence, or another device of our own account.
        allow: Further JIDs in normal form: bare ones for all devices of an account, full ones for one device, `*` for
            anyone.
    """

    def __init__(self, is_contact: Callable[[str], bool], allow: Iterable[str] = ()) -> None:
        self._is_contact = is_contact
        self._allow = frozenset(allow)

    def __call__(self, sender: str) -> bool:
        """Whether this full JID may begin something with us."""
        return bool(self._allow & {ANYONE, bare(sender), sender}) or self._is_contact(sender)
