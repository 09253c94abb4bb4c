"""The keeper's parts, put together as the gateway does it."""

from typing import Protocol

from ringback.core.beat import Beating
from ringback.core.heartbeat import Heartbeating
from ringback.core.keep_alive import KeepAlive
from ringback.core.look import Looker
from ringback.core.observe import Observer
from ringback.core.rhythm import Rhythm
from ringback.ports.activities import Activities
from ringback.ports.clock import Clock
from ringback.ports.deadlines import Deadlines
from ringback.ports.heartbeats import Heartbeats
from ringback.ports.keeping import Keeping
from ringback.ports.store import CallbackStore

PER_SECOND = 50


class Store(CallbackStore, Keeping, Deadlines, Protocol):
    """What keeping needs of a store."""


class Temporal(Activities, Heartbeats, Protocol):
    """What keeping needs of a server."""


def observer(
    store: Store, activities: Activities, clock: Clock, rhythm: Rhythm | None = None
) -> Observer:
    return Observer(
        store,
        activities,
        keeping=store,
        deadlines=store,
        rhythm=rhythm or Rhythm(PER_SECOND),
        clock=clock,
    )


def looker(
    store: Store, activities: Activities, clock: Clock, per_second: int = PER_SECOND
) -> Looker:
    rhythm = Rhythm(per_second)
    return Looker(store, observer(store, activities, clock, rhythm), rhythm, clock=clock)


def heartbeating(store: Store, temporal: Temporal) -> Heartbeating:
    return Heartbeating(
        store,
        temporal,
        keeping=store,
        beating=Beating(temporal, temporal),
    )


def keep_alive(store: Store, temporal: Temporal, clock: Clock) -> KeepAlive:
    return KeepAlive(store, Beating(temporal, temporal), clock=clock, jitter=lambda: 1.0)
