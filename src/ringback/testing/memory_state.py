"""What the store in memory keeps, and the steps that its parts share."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import KINDS
from ringback.ports.clock import Clock

Key: TypeAlias = tuple[str, str, str | None, str, datetime]


@dataclass(frozen=True, slots=True)
class Claim:
    """Who delivers an outcome, and until when; then it is due."""

    due_at: datetime
    owner: str | None


class MemoryState:
    """The tables.

    Attributes:
        is_available: Set it to false and every call raises `StoreUnavailableError`.
    """

    def __init__(self, clock: Clock) -> None:
        """Date everything by `clock`."""
        self.is_available = True
        self._clock = clock
        self._latest: dict[Key, CallbackId] = {}
        self._schemas: dict[str, str] = {}
        self._callbacks: dict[CallbackId, Callback] = {}
        self._claims: dict[CallbackId, Claim] = {}
        #: The attempt, by its start, that is known not to have ended with the outcome.
        self._untaken: dict[CallbackId, datetime] = {}
        self._events: list[Event] = []

    def _take(self, callback: Callback, accepted: Accepted, **more: object) -> None:
        self._put(replace(callback.move(State.ACCEPTED), accepted=accepted))
        self._claims[callback.id] = Claim(accepted.accepted_at, None)
        kind = KINDS[type(accepted.outcome)]
        facts = {"kind": kind, "outcome": accepted.id, **more}
        self._record(callback.id, EventKind.ACCEPTED, facts)

    def _expire(self, callback_id: CallbackId, reason: str) -> None:
        callback = self._callbacks.get(callback_id)
        if callback is not None and callback.state is State.OPEN:
            over = callback.move(State.EXPIRED)
            self._put(replace(over, expired_at=self._clock.now(), expired_because=reason))
            self._record(callback_id, EventKind.EXPIRED, {"reason": reason})

    def _check_available(self) -> None:
        if not self.is_available:
            msg = "the memory store was switched off"
            raise StoreUnavailableError(msg)

    def _put(self, callback: Callback) -> Callback:
        self._callbacks[callback.id] = callback
        return callback

    def _record(self, callback_id: CallbackId, kind: EventKind, facts: dict[str, object]) -> None:
        self._events.append(Event(callback_id, self._clock.now(), kind, facts))

    def _waiting(self) -> Iterable[Callback]:
        return [found for found in self._callbacks.values() if found.state is State.ACCEPTED]


def accepted_of(callback: Callback) -> Accepted:
    """Return the outcome of a callback that has one."""
    assert callback.accepted is not None, "only what was answered is asked for its outcome"
    return callback.accepted
