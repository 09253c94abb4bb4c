"""Events of sources: store each delivery, and lead its events to the callbacks that wait."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ringback.core.aliases import AliasService
from ringback.core.answers import AnswerService
from ringback.core.claim_loop import ClaimLoop
from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.heartbeats import HeartbeatService
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import run_services
from ringback.domain.alias import Alias
from ringback.domain.durations import backoff, format_instant
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    RetryableError,
    RingbackError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.event import Event, EventEnd, EventState
from ringback.domain.event_errors import AliasFreedError
from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb
from ringback.domain.outcome import Outcome
from ringback.ports.clock import Clock
from ringback.ports.events import EventStore, SourceDelivery

logger = logging.getLogger(__name__)

SLOTS: Final = 64
"""Maximum events that are led to their callbacks at a time."""

LEASE: Final = timedelta(seconds=30)
"""How long no other process has a claimed event: if its process is killed, the event waits for so
long. Whoever checks an answer for longer leads it twice, and it counts once."""

LONGEST_REASON: Final = 1000
"""Maximum characters of a reason."""

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

FIRST_WAIT: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(minutes=5)


class EventService:
    """Stores deliveries, and leads their events to callbacks.

    It may be killed at any moment: when the lease ends, another process leads the claimed events
    again. The callback then has the same answer, which counts once.
    """

    def __init__(  # noqa: PLR0917 - each is a part of the way
        self,
        store: EventStore,
        alias_service: AliasService,
        answer_service: AnswerService,
        heartbeat_service: HeartbeatService,
        to_outcome: Callable[[Verb, bytes | None], Outcome],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Answer with the outcome that `to_outcome` makes of an event's action and body."""
        self._hooks = hooks
        self._answers = answer_service
        self._heartbeats = heartbeat_service
        self._to_outcome = to_outcome
        self._jitter = jitter
        self._loop = ClaimLoop(
            self._lead,
            what="events",
            claim=lambda limit, _: store.claim_events(limit=limit, lease=LEASE),
            until_due=store.next_event,
            describe=lambda event: f"event {event.id}",
            to_group=lambda _: "",
            slots=SLOTS,
            group_slots=SLOTS,
            clock=clock,
        )
        self._storing = GroupCommit(
            store.store_deliveries, weigh=_weigh, kind="events", hooks=hooks
        )
        # Events are claimed together, so one query finds the callbacks of many.
        self._finding = GroupCommit(alias_service.find)
        self._ending = GroupCommit(acknowledged(store.end_events))
        self._postponing = GroupCommit(acknowledged(store.postpone_events))

    async def store(self, delivery: SourceDelivery) -> bool:
        """Store a delivery with its events; return whether it is new. It is committed then.

        Raises:
            StoreUnavailableError: It could not be stored; the provider must send it again.
        """
        facts = {"ringback.source": delivery.source}
        with self._hooks.tracer.span("store event", facts=facts) as span:
            is_new = await self._storing.submit(delivery)
            span.note({"ringback.is_new": is_new})
        if is_new:
            self._loop.wake()
            for event in delivery.events:
                if event.state is EventState.DEAD:
                    self._hooks.event_dead(delivery.source)
        return is_new

    def wake(self) -> None:
        """Notice that events are due which another service has stored."""
        self._loop.wake()

    async def run(self) -> None:
        """Lead events until canceled."""
        async with run_services(self._storing, self._finding, self._ending, self._postponing):
            await self._loop.run()

    async def _lead(self, event: Event) -> None:
        facts = {"ringback.event_id": event.id, "ringback.source": event.source}
        with self._hooks.tracer.span("match event", facts=facts) as span:
            end = await self._end_of(event)
            span.note({"ringback.state": end.state.value if isinstance(end, EventEnd) else "waits"})
        if isinstance(end, EventEnd):
            await self._ending.submit(end)
            facts = {"event_id": event.id, "source": event.source, "state": end.state.value}
            facts |= {"callback_id": end.callback_id or ""}
            if end.state is EventState.DEAD:
                self._hooks.event_dead(event.source)
                logger.warning("event cannot be used", extra=facts)
            else:
                logger.info("event ended", extra=facts)
        else:
            await self._postponing.submit((event, end))

    async def _end_of(self, event: Event) -> EventEnd | timedelta | None:
        """Return what became of `event`; or when to try again, `None`: when its alias appears."""
        if event.callback_id is not None:
            return await self._give(event, event.callback_id)
        try:
            found = await self._finding.submit(Alias(event.alias))
        except RetryableError:
            return self._wait(event)
        if isinstance(found, AliasFreedError):
            if event.tries > 1:
                # A process that was killed may have answered with it.
                return await self._give(event, found.callback_id)
            reason = f"it came after {found.callback_id}, which had the alias, had ended"
            return EventEnd(event, EventState.UNMATCHED, reason, found.callback_id)
        if not isinstance(found, RingbackError):
            return await self._give(event, found)
        # The store's clock decides: this machine's may be behind it.
        if event.claimed_until - LEASE < event.waits_until:
            return None
        until = format_instant(event.waits_until)
        reason = f"no callback got the alias {event.alias!r} until {until}"
        return EventEnd(event, EventState.UNMATCHED, reason)

    async def _give(self, event: Event, callback_id: CallbackId) -> EventEnd | timedelta:
        state, reason = EventState.MATCHED, None
        try:
            if event.action is Verb.HEARTBEAT:
                await self._heartbeat(callback_id, event.body)
            else:
                outcome = self._to_outcome(event.action, event.body)
                await self._answers.accept(callback_id, outcome)
        except RetryableError:
            return self._wait(event)
        except AnsweredDifferentlyError:
            state, reason = EventState.IGNORED, "the callback already has another answer"
        except (ExpiredCallbackError, UnknownCallbackError) as exc:
            state, reason = EventState.UNMATCHED, to_reason(exc)
        except RingbackError as exc:
            state, reason = EventState.DEAD, to_reason(exc)
        return EventEnd(event, state, reason, callback_id)

    async def _heartbeat(self, callback_id: CallbackId, details: bytes | None) -> None:
        try:
            await self._heartbeats.heartbeat(callback_id, details)
        except TemporalUnreachableError:
            # It is stored, and goes to the next attempt.
            return

    def _wait(self, event: Event) -> timedelta:
        return backoff(event.tries, jitter=self._jitter(), first=FIRST_WAIT, longest=LONGEST_WAIT)


def to_reason(error: RingbackError) -> str:
    """Return what `error` says, as a text that every database stores: it may quote the event."""
    said = str(error)[:LONGEST_REASON]
    return "".join(one if one.isprintable() else REPLACEMENT for one in said)


def _weigh(delivery: SourceDelivery) -> int:
    return len(delivery.body) + sum(len(one.body or b"") for one in delivery.events)
