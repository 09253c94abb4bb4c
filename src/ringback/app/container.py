"""The objects of a gateway: what it is built on, its services, and its ASGI application."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fastapi import FastAPI

import ringback
from ringback.core.activity_poller import ActivityChecker, ActivityPoller, PollSchedule
from ringback.core.answers import AnswerService
from ringback.core.api_auth import Authorizer
from ringback.core.deadlines import DeadlineKeeper
from ringback.core.delivery import Deliverer
from ringback.core.due_times import DueTimeRepair
from ringback.core.heartbeats import HeartbeatService
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.keepalive import HeartbeatKeeper, HeartbeatSender
from ringback.core.opening import CallbackOpener, OpenService
from ringback.core.operations import OperatorService
from ringback.core.services import Service
from ringback.core.status import StatusService
from ringback.core.store_listener import StoreListener
from ringback.core.validation import AnswerValidator
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.errors import TemporalMisconfiguredError, TemporalUnreachableError
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import Keyring
from ringback.gateway.app import create_app
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import Health, TemporalStatus
from ringback.gateway.rare_warnings import UnknownKeyLog
from ringback.ports.activities import Activities, Heartbeats, Identifier
from ringback.ports.clock import Clock
from ringback.result_schema.checker import SchemaChecker
from ringback.store.sql_store import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What a gateway is built on.

    Attributes:
        check_connection: Raises `TemporalUnreachableError` or `TemporalMisconfiguredError` if
            Temporal cannot be used.
        public_url: The URL of the gateway for senders, without a trailing slash.
        body_limit: Maximum bytes of one answer.
        polls_per_second: Maximum activities that are polled per second.
        jitter: Returns a random number from 0 to 1.
        owner: The name of this process in the claims of the store.
        services: Those of the edges that run in the background.
    """

    store: SqlStore
    activities: Activities
    heartbeats: Heartbeats
    identifier: Identifier
    check_connection: Callable[[], Awaitable[None]]
    namespace: str
    keyring: Keyring
    public_url: str
    body_limit: int
    polls_per_second: int
    clock: Clock
    jitter: Callable[[], float]
    verdicts: VerdictWaiter
    owner: str
    new_callback_id: Callable[[], CallbackId]
    new_outcome_id: Callable[[], OutcomeId]
    services: Sequence[Service] = ()
    hooks: Hooks = NO_HOOKS
    results: SchemaChecker = field(default_factory=SchemaChecker)


class Parts:
    """The services of a gateway; each is created when a program first uses it."""

    def __init__(self, edges: Edges) -> None:
        """Create services on `edges`."""
        self.edges = edges
        self._store = edges.store
        self._clock = edges.clock

    @cached_property
    def opener(self) -> CallbackOpener:
        """Open callbacks for workers."""
        return CallbackOpener(
            self._store,
            self._store,
            self.edges.activities,
            clock=self._clock,
            hooks=self.edges.hooks,
            on_opened=self.checks.remember,
        )

    @cached_property
    def checks(self) -> AnswerValidator:
        """Validate answers before they are accepted."""
        return AnswerValidator(self._store, self.edges.activities, self.edges.results)

    @cached_property
    def answer_service(self) -> AnswerService:
        """Accept answers."""
        return AnswerService(
            self._store,
            self.checks,
            new_outcome_id=self.edges.new_outcome_id,
            # If no deliverer runs in this process, those of other gateways deliver.
            on_accepted=self.deliverer.wake,
            hooks=self.edges.hooks,
        )

    @cached_property
    def deliverer(self) -> Deliverer:
        """Deliver accepted answers to Temporal."""
        return Deliverer(
            self._store,
            self.edges.activities,
            self.edges.verdicts,
            clock=self._clock,
            jitter=self.edges.jitter,
            owner=self.edges.owner,
            hooks=self.edges.hooks,
        )

    @cached_property
    def deadlines(self) -> DeadlineKeeper:
        """Accept default answers at deadlines."""
        return DeadlineKeeper(
            self._store,
            self._activity_checker,
            clock=self._clock,
            new_outcome_id=self.edges.new_outcome_id,
            on_accepted=self.deliverer.wake,
        )

    @cached_property
    def listener(self) -> StoreListener:
        """Receive changes that other gateways make in the store."""
        return StoreListener(
            self._store,
            clock=self._clock,
            on_accepted=self.deliverer.wake,
            on_settled=self.edges.verdicts.announce,
        )

    @cached_property
    def due_time_repair(self) -> DueTimeRepair:
        """Repair due times after the clock was set back."""
        return DueTimeRepair(self._store, self._schedule, clock=self._clock)

    @cached_property
    def poller(self) -> ActivityPoller:
        """Poll the activities of open callbacks."""
        return ActivityPoller(
            self._store, self._activity_checker, self._schedule, clock=self._clock
        )

    @cached_property
    def keep_alive(self) -> HeartbeatKeeper:
        """Send heartbeats on behalf of senders."""
        return HeartbeatKeeper(
            self._store, self._heartbeat_sender, clock=self._clock, jitter=self.edges.jitter
        )

    @cached_property
    def heartbeat_service(self) -> HeartbeatService:
        """Accept heartbeats of senders."""
        return HeartbeatService(
            self._store,
            self.edges.activities,
            polls=self._store,
            heartbeat_sender=self._heartbeat_sender,
        )

    @cached_property
    def _activity_checker(self) -> ActivityChecker:
        return ActivityChecker(
            self._store,
            self.edges.activities,
            polls=self._store,
            deadlines=self._store,
            schedule=self._schedule,
            clock=self._clock,
        )

    @cached_property
    def _heartbeat_sender(self) -> HeartbeatSender:
        return HeartbeatSender(self.edges.heartbeats, self.edges.activities)

    @cached_property
    def _schedule(self) -> PollSchedule:
        return PollSchedule(self.edges.polls_per_second)


def build_app(parts: Parts) -> FastAPI:
    """Return the ASGI application of a gateway; the caller runs the services of `parts`."""
    edges, store = parts.edges, parts.edges.store
    gateway = Gateway(
        answer_service=parts.answer_service,
        heartbeat_service=parts.heartbeat_service,
        status_service=StatusService(store, edges.activities),
        open_service=OpenService(
            parts.opener,
            edges.identifier,
            edges.results,
            new_callback_id=edges.new_callback_id,
            key_id=edges.keyring.signing,
        ),
        opener=parts.opener,
        operator_service=OperatorService(store, store, store, links=store),
        authorizer=Authorizer(store, clock=edges.clock),
        verdicts=edges.verdicts,
        store=store,
        keyring=edges.keyring,
        clock=edges.clock,
        results=edges.results,
        health=Health(store, lambda: _temporal_status(parts), clock=edges.clock),
        unknown_keys=UnknownKeyLog(edges.clock),
        public_url=edges.public_url,
        body_limit=edges.body_limit,
        version=ringback.__version__,
        namespace=edges.namespace,
    )
    return create_app(gateway)


async def _temporal_status(parts: Parts) -> TemporalStatus:
    try:
        await parts.edges.check_connection()
    except TemporalMisconfiguredError:
        return TemporalStatus.MISCONFIGURED
    except TemporalUnreachableError:
        return TemporalStatus.UNREACHABLE
    is_misconfigured = parts.deliverer.is_misconfigured
    return TemporalStatus.MISCONFIGURED if is_misconfigured else TemporalStatus.OK
