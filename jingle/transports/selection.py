"""Which transport to try first and which next (XEP-0166 section 7.2.14: transport-replace).

Encrypted comes before plain, then the higher priority: SOCKS5 with TLS, data channel, in-band with TLS, and the same
two without TLS where the peer has none. One selection belongs to one content and is asked on both sides: by whoever
offers or replaces (`next`), and by whoever is offered something (`take`). Nothing is tried twice.

A precondition that both sides have is agreed on for the content, whatever transport comes first; it wraps the
transports that carry bytes in the clear, and leaves alone those that encrypt them anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from .base import Kind, Security, SecurityPrecondition, Transport


@dataclass(frozen=True)
class Choice:
    """A transport to try, and what has to protect it."""

    transport: type[Transport]
    precondition: type[SecurityPrecondition] | None
    """What wraps its stream, or `None` where the bytes go as the transport carries them."""

    @property
    def security(self) -> Security:
        """What protects the bytes."""
        return self.precondition.security if self.precondition else self.transport.security


def common_precondition(
    preconditions: Iterable[type[SecurityPrecondition]], features: Collection[str]
) -> type[SecurityPrecondition] | None:
    """The first precondition that the peer has too.

    Args:
        preconditions: Ours, most wanted first.
        features: What the peer's disco#info says; nothing where it is not known.
    """
    return next((each for each in preconditions if set(each.features) <= set(features)), None)


class Selection:
    """The transports of one content, in the order to try them.

    Args:
        transports: What we have and may use.
        kind: What the application needs.
        features: What the peer's disco#info says; `None` where it is not known, and everything may be tried.
        precondition: What was agreed on for the content, or is to be offered.
        require_encryption: Leave out what would carry the bytes in the clear.
        in_order: `transports` come in the user's order of preference, in place of their priorities.
    """

    def __init__(
        self,
        transports: Sequence[type[Transport]],
        *,
        kind: Kind,
        features: Collection[str] | None = None,
        precondition: type[SecurityPrecondition] | None = None,
        require_encryption: bool = False,
        in_order: bool = False,
    ) -> None:
        choices = [
            Choice(transport, precondition if transport.security is Security.NONE else None)
            for transport in transports
            if transport.kind is kind
        ]
        if not in_order:
            choices.sort(key=lambda choice: -choice.transport.priority)
        choices.sort(key=lambda choice: choice.security is Security.NONE)
        self._allowed = [choice for choice in choices if not require_encryption or choice.security is not Security.NONE]
        self._left = [
            choice for choice in self._allowed if features is None or set(choice.transport.features) <= set(features)
        ]

    @property
    def left(self) -> tuple[Choice, ...]:
        """What has not been tried and the peer has too, best first."""
        return tuple(self._left)

    def next(self) -> Choice | None:
        """The best that has not been tried, which it is from now on; `None` where nothing is left."""
        if not self._left:
            return None
        choice = self._left[0]
        self._forget(choice)
        return choice

    def take(self, namespace: str) -> Choice | None:
        """What the peer offers, which is tried from now on; `None` where we refuse it or have tried it already.

        That the peer offers it says more than its disco#info does.
        """
        choice = next((choice for choice in self._allowed if choice.transport.namespace == namespace), None)
        if choice is not None:
            self._forget(choice)
        return choice

    def _forget(self, choice: Choice) -> None:
        for choices in (self._allowed, self._left):
            if choice in choices:
                choices.remove(choice)
