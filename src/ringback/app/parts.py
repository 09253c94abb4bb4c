"""The parts of a gateway, each made when it is first asked for."""

from functools import cached_property

from ringback.app.edges import Edges
from ringback.core.activity_poller import ActivityChecker, ActivityPoller, PollSchedule
from ringback.core.answers import AnswerService
from ringback.core.deadlines import DeadlineKeeper
from ringback.core.delivery import Deliverer
from ringback.core.due_times import DueTimeRepair
from ringback.core.heartbeats import HeartbeatService
from ringback.core.keepalive import HeartbeatKeeper, HeartbeatSender
from ringback.core.opening import CallbackOpener
from ringback.core.store_listener import StoreListener
from ringback.core.validation import AnswerValidator


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
    def opener(self) -> CallbackOpener:
        """Opens callbacks for workers that have no Ringback of their own."""
        return CallbackOpener(
            self._store,
            self._store,
            self.edges.activities,
            hooks=self.edges.hooks,
            on_opened=self.checks.remember,
        )

    @cached_property
    def checks(self) -> AnswerValidator:
        """Checks answers."""
        return AnswerValidator(self._store, self.edges.activities, self.edges.results)

    @cached_property
    def answer_service(self) -> AnswerService:
        """Takes outcomes."""
        return AnswerService(
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
            self._activity_checker,
            clock=self._clock,
            new_outcome_id=self.edges.new_outcome_id,
            on_accepted=self.deliverer.wake,
        )

    @cached_property
    def listener(self) -> StoreListener:
        """Hears what other programs do in the store."""
        return StoreListener(
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
        return ActivityPoller(
            self._store, self._activity_checker, self._schedule, clock=self._clock
        )

    @cached_property
    def keep_alive(self) -> HeartbeatKeeper:
        """Heartbeats on behalf of the outside."""
        return HeartbeatKeeper(
            self._store, self._heartbeat_sender, clock=self._clock, jitter=self.edges.jitter
        )

    @cached_property
    def heartbeat_service(self) -> HeartbeatService:
        """Takes heartbeats from outside."""
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
