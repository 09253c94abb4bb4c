"""Pollers and heartbeat senders, built as the gateway builds them."""

from typing import Protocol

from ringback.core.activity_poller import ActivityChecker, ActivityPoller, PollSchedule
from ringback.core.heartbeats import HeartbeatService
from ringback.core.keepalive import HeartbeatKeeper, HeartbeatSender
from ringback.ports.activities import Activities, Heartbeats
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.clock import Clock
from ringback.ports.deadlines import Deadlines
from ringback.ports.store import CallbackStore

PER_SECOND = 50


class Store(CallbackStore, ActivityPollStore, Deadlines, Protocol):
    """The ports of a store that they use."""


class Temporal(Activities, Heartbeats, Protocol):
    """The ports of Temporal that they use."""


def activity_checker(
    store: Store, activities: Activities, clock: Clock, schedule: PollSchedule | None = None
) -> ActivityChecker:
    return ActivityChecker(
        store,
        activities,
        polls=store,
        deadlines=store,
        schedule=schedule or PollSchedule(PER_SECOND),
        clock=clock,
    )


def activity_poller(
    store: Store, activities: Activities, clock: Clock, per_second: int = PER_SECOND
) -> ActivityPoller:
    schedule = PollSchedule(per_second)
    return ActivityPoller(
        store, activity_checker(store, activities, clock, schedule), schedule, clock=clock
    )


def heartbeat_service(store: Store, temporal: Temporal) -> HeartbeatService:
    return HeartbeatService(
        store,
        temporal,
        polls=store,
        heartbeat_sender=HeartbeatSender(temporal, temporal),
    )


def heartbeat_keeper(store: Store, temporal: Temporal, clock: Clock) -> HeartbeatKeeper:
    return HeartbeatKeeper(
        store, HeartbeatSender(temporal, temporal), clock=clock, jitter=lambda: 1.0
    )
