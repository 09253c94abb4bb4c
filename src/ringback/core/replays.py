"""Replays: begin an event again with the rules that its source has now."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ringback.core.aliases import AliasService
from ringback.core.events import LONGEST_REASON
from ringback.domain.alias import Alias
from ringback.domain.errors import RingbackError
from ringback.domain.event import EventRecord, EventState, EventSummary
from ringback.domain.event_errors import CannotReplayError, UnknownEventError
from ringback.domain.ids import EventId
from ringback.ports.events import EventStore, NewEvent

logger = logging.getLogger(__name__)

_REPLAYED: Final = " (replayed; "

_WHY_NOT: Final = {
    EventState.MATCHED: "it is matched: its callback has accepted it",
    EventState.WAITING: "it is waiting: it will be used without a replay",
}


class ReplayService:
    """Shows events with their bodies, and begins ended ones again."""

    def __init__(
        self,
        store: EventStore,
        alias_service: AliasService,
        *,
        namespace: str,
        on_replayed: Callable[[], None],
    ) -> None:
        """Use the events of `namespace` in `store`; report each replay to `on_replayed`."""
        self._store = store
        self._aliases = alias_service
        self._namespace = namespace
        self._on_replayed = on_replayed

    async def get(self, event_id: EventId) -> EventRecord:
        """Return all that is stored of an event.

        Raises:
            UnknownEventError: The event does not exist.
            StoreUnavailableError: It could not be read; retry.
        """
        record = await self._store.find_event(self._namespace, event_id)
        if record is None:
            raise UnknownEventError(event_id)
        return record

    async def replay(
        self,
        record: EventRecord,
        events: Sequence[NewEvent],
        *,
        by: str,
        to_current: bool = False,
    ) -> EventRecord:
        """Begin an event again; return it afterwards.

        It goes to the callback that has its alias now. Of several replays at once, one counts.

        Args:
            record: The event.
            events: What its request means now.
            by: The id of the API key, for the log.
            to_current: Whether it may go to another callback than before.

        Raises:
            CannotReplayError: It is matched, it waits, it has changed, its request has other events
                now, or its alias leads to another callback than before.
            StoreUnavailableError: It could not be stored; retry.
        """
        why_not = _WHY_NOT.get(record.event.state)
        if why_not is not None:
            raise CannotReplayError(why_not)
        begun = _select(record, events)
        if not to_current:
            await self._check_callback(record.event, begun)
        first = replace(begun[0], reason=_to_reason(record, begun[0]))
        if not await self._store.replay_event(record, [first, *begun[1:]]):
            msg = "somebody else has just replayed it; see: ringback events show"
            raise CannotReplayError(msg)
        event = record.event
        facts = {"event_id": event.id, "source": event.source, "key": by}
        logger.info("event replayed", extra=facts)
        self._on_replayed()
        return await self.get(event.id)

    async def _check_callback(self, event: EventSummary, begun: Sequence[NewEvent]) -> None:
        """Check that the alias of `event` leads to no other callback than before.

        Raises:
            CannotReplayError: It does.
            StoreUnavailableError: It could not be read; retry.
        """
        had, alias = event.callback_id, event.alias
        if had is None or alias is None or alias not in {one.alias for one in begun}:
            return
        (found,) = await self._aliases.find([Alias(alias)])
        if not isinstance(found, RingbackError) and found != had:
            msg = (
                f"it was for {had}, and its alias {alias!r} now leads to {found}; if it is for that"
                " one, too, replay it with --to-current (to_current)"
            )
            raise CannotReplayError(msg)


def _select(record: EventRecord, events: Sequence[NewEvent]) -> Sequence[NewEvent]:
    """Return the event that takes the place of `record`, and those that are new.

    Raises:
        CannotReplayError: It is not known which one takes its place.
    """
    if len(events) == record.siblings:
        return [events[record.position]]
    if record.siblings == 1:
        # `batch` could not be evaluated when it came, or there was none.
        return events
    msg = (
        f"its request had {record.siblings} events, and `batch` selects {len(events)} now; answer"
        " its callback yourself"
    )
    raise CannotReplayError(msg)


def _to_reason(record: EventRecord, begun: NewEvent) -> str:
    before = record.event
    old = (before.reason or "").partition(_REPLAYED)[0]
    was = f"it was {before.state.value}: {old}"
    said = f"replayed; {was}" if begun.reason is None else f"{begun.reason}{_REPLAYED}{was})"
    return said[:LONGEST_REASON]
