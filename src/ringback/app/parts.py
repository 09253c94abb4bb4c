"""The parts of a gateway, each made when it is first asked for."""

from functools import cached_property

from temporalio.client import Client

from ringback.app.system import jitter, outcome_ids, process_name
from ringback.core.accept import Accepting
from ringback.core.activity_poller import ActivityPoller
from ringback.core.beat import Beating
from ringback.core.checks import Checks
from ringback.core.deadlines import DeadlineKeeper
from ringback.core.deliver import Deliverer
from ringback.core.due_times import DueTimeRepair
from ringback.core.heartbeat import Heartbeating
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.keep_alive import KeepAlive
from ringback.core.listen import Listener
from ringback.core.observe import Observer
from ringback.core.open import Opening
from ringback.core.poll_schedule import PollSchedule
from ringback.core.watch import VerdictWaiter
from ringback.ports.clock import Clock
from ringback.result_schema.checker import SchemaChecker
from ringback.settings import Settings
from ringback.store.sql_store import SqlStore
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.encoder import Encoder
from ringback.temporal.heartbeats import TemporalHeartbeats


class Parts:
    """Takes answers, brings them to Temporal, and keeps callbacks up to date.

    A program runs those that it asks for and that have a `run`.
    """

    def __init__(
        self,
        store: SqlStore,
        client: Client,
        *,
        settings: Settings,
        clock: Clock,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Make them on `store` and for the Temporal of `client`; they report to `hooks`."""
        self.store = store
        self.client = client
        self.settings = settings
        self.clock = clock
        self.hooks = hooks

    @cached_property
    def activities(self) -> TemporalActivities:
        """Temporal's side of callbacks."""
        return TemporalActivities(self.client, self._encoder)

    @cached_property
    def _encoder(self) -> Encoder:
        # One for all: what a codec keeps open is bound to one event loop.
        return Encoder(self.client.data_converter)

    @cached_property
    def results(self) -> SchemaChecker:
        """Checks results."""
        return SchemaChecker()

    @cached_property
    def verdicts(self) -> VerdictWaiter:
        """Tells of verdicts, within this process."""
        return VerdictWaiter()

    @cached_property
    def opening(self) -> Opening:
        """Opens callbacks for workers that have no Ringback of their own."""
        return Opening(
            self.store,
            self.store,
            self.activities,
            hooks=self.hooks,
            on_opened=self.checks.remember,
        )

    @cached_property
    def checks(self) -> Checks:
        """Checks answers."""
        return Checks(self.store, self.activities, self.results)

    @cached_property
    def accepting(self) -> Accepting:
        """Takes outcomes."""
        return Accepting(
            self.store,
            self.checks,
            new_outcome_id=outcome_ids(self.clock),
            # Where no deliverer runs, those of other programs find what was accepted.
            on_accepted=self.deliverer.wake,
            hooks=self.hooks,
        )

    @cached_property
    def deliverer(self) -> Deliverer:
        """Brings outcomes to Temporal."""
        return Deliverer(
            self.store,
            self.activities,
            self.verdicts,
            clock=self.clock,
            jitter=jitter,
            owner=process_name(),
            hooks=self.hooks,
        )

    @cached_property
    def deadlines(self) -> DeadlineKeeper:
        """Takes default answers."""
        return DeadlineKeeper(
            self.store,
            self._observer,
            clock=self.clock,
            new_outcome_id=outcome_ids(self.clock),
            on_accepted=self.deliverer.wake,
        )

    @cached_property
    def listener(self) -> Listener:
        """Hears what other programs do in the store."""
        return Listener(
            self.store,
            clock=self.clock,
            on_accepted=self.deliverer.wake,
            on_settled=self.verdicts.announce,
        )

    @cached_property
    def due_time_repair(self) -> DueTimeRepair:
        """Repairs due times after the clock was set back."""
        return DueTimeRepair(self.store, self._schedule, clock=self.clock)

    @cached_property
    def poller(self) -> ActivityPoller:
        """Looks at open callbacks."""
        return ActivityPoller(self.store, self._observer, self._schedule, clock=self.clock)

    @cached_property
    def keep_alive(self) -> KeepAlive:
        """Heartbeats on behalf of the outside."""
        return KeepAlive(self.store, self._beating, clock=self.clock, jitter=jitter)

    @cached_property
    def heartbeating(self) -> Heartbeating:
        """Takes heartbeats from outside."""
        return Heartbeating(
            self.store,
            self.activities,
            polls=self.store,
            beating=self._beating,
        )

    @cached_property
    def _observer(self) -> Observer:
        return Observer(
            self.store,
            self.activities,
            polls=self.store,
            deadlines=self.store,
            schedule=self._schedule,
            clock=self.clock,
        )

    @cached_property
    def _beating(self) -> Beating:
        return Beating(TemporalHeartbeats(self.client, self._encoder), self.activities)

    @cached_property
    def _schedule(self) -> PollSchedule:
        return PollSchedule(self.settings.polls_per_second)
