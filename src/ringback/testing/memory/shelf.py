"""What the parts of the store in memory share: the records, and the clock that dates them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.notice import Notice, NoticeId, notices_of
from ringback.domain.outcome import KINDS
from ringback.ports.clock import Clock
from ringback.ports.store import Answer
from ringback.store.care import Care


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has an outcome, and until when.

    Attributes:
        due_at: When anybody may try to deliver it.
        owner: Who tries now.
    """

    due_at: datetime
    owner: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice, and when it may be sent.

    Attributes:
        notice: The notice.
        due_at: When anybody may send it; `None` once it was received or given up.
        has_failed: It was sent, and not received.
    """

    notice: Notice
    due_at: datetime | None
    has_failed: bool = False


class Shelf:
    """Records in memory.

    Attributes:
        is_available: Set it to false and every call raises `StoreUnavailableError`.
    """

    def __init__(self, clock: Clock) -> None:
        """Date everything by `clock`."""
        self.is_available = True
        self._clock = clock
        self._callbacks: dict[CallbackId, Callback] = {}
        self._claims: dict[CallbackId, Claim] = {}
        #: The attempt, by its start, that is known not to have ended with the outcome.
        self._untaken: dict[CallbackId, datetime] = {}
        #: What only the store knows of the keeping of each callback.
        self._cares: dict[CallbackId, Care] = {}
        self._events: list[Event] = []
        self._notices: dict[NoticeId, Waiting] = {}

    def _now(self) -> datetime:
        """Return this instant.

        Raises:
            StoreUnavailableError: The store was switched off.
        """
        if not self.is_available:
            msg = "the memory store was switched off"
            raise StoreUnavailableError(msg)
        return self._clock.now()

    def _put(self, callback: Callback) -> Callback:
        self._callbacks[callback.id] = callback
        return callback

    def _record(self, callback_id: CallbackId, kind: EventKind, facts: dict[str, object]) -> None:
        self._record_event(Event(callback_id, self._clock.now(), kind, facts))

    def _record_event(self, event: Event) -> None:
        """Add an event to the audit trail, and the notices that tell the outside of it."""
        self._events.append(event)
        about = self._callbacks[event.callback_id].about
        for notice in notices_of(event, about.cancel_url, about.notify_url):
            self._notices.setdefault(notice.id, Waiting(notice, notice.at))

    def _in_state(self, state: State) -> Sequence[Callback]:
        return [found for found in self._callbacks.values() if found.state is state]

    def _find_in_state(self, callback_id: CallbackId, state: State) -> Callback | None:
        found = self._callbacks.get(callback_id)
        return found if found is not None and found.state is state else None

    def _accept(self, callback: Callback, answer: Answer, *, is_default: bool) -> datetime:
        now = self._now()
        accepted = Accepted(answer.id, answer.outcome, now, is_default=is_default)
        self._put(replace(callback.move(State.ACCEPTED), accepted=accepted))
        self._claims[callback.id] = Claim(now, None)
        facts: dict[str, object] = {"kind": KINDS[type(answer.outcome)], "outcome": answer.id}
        if is_default:
            facts["by"] = "deadline"
        self._record(callback.id, EventKind.ACCEPTED, facts)
        return now
