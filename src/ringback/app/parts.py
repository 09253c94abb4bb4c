"""The parts of a gateway, each made when it is first asked for."""

from functools import cached_property

from ringback.app.edges import Edges
from ringback.core.accept import Accepting
from ringback.core.activity_poller import ActivityPoller
from ringback.core.beat import Beating
from ringback.core.checks import Checks
from ringback.core.deadlines import DeadlineKeeper
from ringback.core.deliver import Deliverer
from ringback.core.due_times import DueTimeRepair
from ringback.core.heartbeat import Heartbeating
from ringback.core.keep_alive import KeepAlive
from ringback.core.listen import Listener
from ringback.core.observe import Observer
from ringback.core.open import Opening
from ringback.core.poll_schedule import PollSchedule


class Parts:
    """Takes answers, brings them to Temporal, and keeps callbacks up to date.

    A program runs those that it asks for and that have a `run`.
    """

    def __init__(self, edges: Edges) -> None:
        """Make them on `edges`."""
        self.edges = edges
        self._store = edges.store
        self._clock = edges.clock

    @cached_property
    def opening(self) -> Opening:
        """Opens callbacks for workers that have no Ringback of their own."""
        return Opening(
            self._store,
            self._store,
            self.edges.activities,
            hooks=self.edges.hooks,
            on_opened=self.checks.remember,
        )

    @cached_property
    def checks(self) -> Checks:
        """Checks answers."""
        return Checks(self._store, self.edges.activities, self.edges.results)

    @cached_property
    def accepting(self) -> Accepting:
        """Takes outcomes."""
        return Accepting(
            self._store,
            self.checks,
            new_outcome_id=self.edges.new_outcome_id,
            # Where no deliverer runs, those of other programs find what was accepted.
            on_accepted=self.deliverer.wake,
            hooks=self.edges.hooks,
        )

    @cached_property
    def deliverer(self) -> Deliverer:
        """Brings outcomes to Temporal."""
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
        """Takes default answers."""
        return DeadlineKeeper(
            self._store,
            self._observer,
            clock=self._clock,
            new_outcome_id=self.edges.new_outcome_id,
            on_accepted=self.deliverer.wake,
        )

    @cached_property
    def listener(self) -> Listener:
        """Hears what other programs do in the store."""
        return Listener(
            self._store,
            clock=self._clock,
            on_accepted=self.deliverer.wake,
            on_settled=self.edges.verdicts.announce,
        )

    @cached_property
    def due_time_repair(self) -> DueTimeRepair:
        """Repairs due times after the clock was set back."""
        return DueTimeRepair(self._store, self._schedule, clock=self._clock)

    @cached_property
    def poller(self) -> ActivityPoller:
        """Looks at open callbacks."""
        return ActivityPoller(self._store, self._observer, self._schedule, clock=self._clock)

    @cached_property
    def keep_alive(self) -> KeepAlive:
        """Heartbeats on behalf of the outside."""
        return KeepAlive(self._store, self._beating, clock=self._clock, jitter=self.edges.jitter)

    @cached_property
    def heartbeating(self) -> Heartbeating:
        """Takes heartbeats from outside."""
        return Heartbeating(
            self._store,
            self.edges.activities,
            polls=self._store,
            beating=self._beating,
        )

    @cached_property
    def _observer(self) -> Observer:
        return Observer(
            self._store,
            self.edges.activities,
            polls=self._store,
            deadlines=self._store,
            schedule=self._schedule,
            clock=self._clock,
        )

    @cached_property
    def _beating(self) -> Beating:
        return Beating(self.edges.heartbeats, self.edges.activities)

    @cached_property
    def _schedule(self) -> PollSchedule:
        return PollSchedule(self.edges.polls_per_second)
