"""The objects of a gateway: its services, each created when a program first uses it."""

from functools import cached_property, partial

from ringback.app.edges import Edges
from ringback.app.metrics import MetricsPage
from ringback.core.activity_poller import ActivityChecker, ActivityPoller, PollSchedule
from ringback.core.aliases import AliasService
from ringback.core.answers import AnswerService
from ringback.core.chat_votes import ChatVoteService
from ringback.core.deadlines import DeadlineKeeper, DueTimeRepair
from ringback.core.delivery import Deliverer
from ringback.core.events import EventService
from ringback.core.gauges import GaugeReader
from ringback.core.health_checks import ConnectionChecker, WriteChecker
from ringback.core.heartbeats import HeartbeatService
from ringback.core.inbox_feed import InboxFeed
from ringback.core.keepalive import HeartbeatKeeper, HeartbeatSender
from ringback.core.notifications import Notifier
from ringback.core.opening import CallbackOpener
from ringback.core.retention import Retention
from ringback.core.sender_polls import PollReports, PollRequester
from ringback.core.store_listener import StoreListener
from ringback.core.validation import AnswerValidator
from ringback.core.votes import VoteService
from ringback.gateway.body import TO_OUTCOME
from ringback.gateway.gateway import decision_url


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
            self.votes,
            new_outcome_id=self.edges.new_outcome_id,
            # If no deliverer runs in this process, those of other gateways deliver.
            on_accepted=self.deliverer.wake,
            bodies=self.edges.bodies,
            hooks=self.edges.hooks,
        )

    @cached_property
    def votes(self) -> VoteService:
        """Count votes of people."""
        return VoteService(
            self._store,
            self.checks,
            new_outcome_id=self.edges.new_outcome_id,
            on_accepted=self.deliverer.wake,
            bodies=self.edges.bodies,
            hooks=self.edges.hooks,
        )

    @cached_property
    def notifier(self) -> Notifier:
        """Send messages to people."""
        notifiers = self.edges.notifiers
        return Notifier(
            self._store,
            self._store,
            self._store,
            channels=notifiers.channels,
            directory=notifiers.directory,
            to_url=partial(decision_url, self.edges.keyring, self.edges.public_url),
            clock=self._clock,
            jitter=self.edges.jitter,
            hooks=self.edges.hooks,
        )

    @cached_property
    def slack_votes(self) -> ChatVoteService | None:
        """Count votes by Slack, if it is configured."""
        slack = self.edges.notifiers.slack
        return None if slack is None else ChatVoteService(self.votes, self._store, slack)

    @cached_property
    def inbox_feed(self) -> InboxFeed:
        """Notify open lists of the inbox."""
        return InboxFeed(self._store, clock=self._clock)

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
    def poll_requester(self) -> PollRequester:
        """Request polls of senders from workers."""
        return PollRequester(self._store, self.edges.activities, clock=self._clock)

    @cached_property
    def poll_reports(self) -> PollReports:
        """Accept what polls of senders find."""
        return PollReports(self._store, self.answer_service)

    @cached_property
    def connection_checker(self) -> ConnectionChecker:
        """Check the connection to Temporal."""
        return ConnectionChecker(self.edges.check_connection, clock=self._clock)

    @cached_property
    def gauges(self) -> GaugeReader:
        """Read what waits in the store."""
        return GaugeReader(self._store, clock=self._clock)

    @cached_property
    def write_checker(self) -> WriteChecker:
        """Check whether the store accepts writes."""
        return WriteChecker(self._store, clock=self._clock)

    @cached_property
    def metrics(self) -> MetricsPage:
        """Render the metrics."""
        checker = self.connection_checker
        return MetricsPage(
            self.edges.counters,
            self.gauges,
            writes=self.write_checker,
            keyring=self.edges.keyring,
            is_temporal_up=lambda: checker.is_up,
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
    def retention(self) -> Retention:
        """Delete what ended long ago."""
        return Retention(
            self._store.ended,
            self._store,
            keep_ended_for=self.edges.keep_ended_for,
            bodies=self._store.bodies,
            drop_bodies_after=self.edges.drop_bodies_after,
            clock=self._clock,
            hooks=self.edges.hooks,
        )

    @cached_property
    def poller(self) -> ActivityPoller:
        """Poll the activities of open callbacks."""
        checker = self._activity_checker
        return ActivityPoller(
            self._store, checker, self._schedule, clock=self._clock, hooks=self.edges.hooks
        )

    @cached_property
    def keep_alive(self) -> HeartbeatKeeper:
        """Send heartbeats on behalf of senders."""
        return HeartbeatKeeper(
            self._store, self._heartbeat_sender, clock=self._clock, jitter=self.edges.jitter
        )

    @cached_property
    def event_service(self) -> EventService:
        """Store the events of sources, and lead them to callbacks."""
        return EventService(
            self._store,
            self.alias_service,
            self.answer_service,
            self.heartbeat_service,
            lambda action, body: TO_OUTCOME[action](body),
            clock=self._clock,
            jitter=self.edges.jitter,
            hooks=self.edges.hooks,
        )

    @cached_property
    def alias_service(self) -> AliasService:
        """Find callbacks by alias."""
        return AliasService(self._store, namespace=self.edges.namespace)

    @cached_property
    def heartbeat_service(self) -> HeartbeatService:
        """Accept heartbeats of senders."""
        return HeartbeatService(
            self._store,
            self.edges.activities,
            polls=self._store,
            heartbeat_sender=self._heartbeat_sender,
            bodies=self.edges.bodies,
            hooks=self.edges.hooks,
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
            hooks=self.edges.hooks,
        )

    @cached_property
    def _heartbeat_sender(self) -> HeartbeatSender:
        edges = self.edges
        return HeartbeatSender(edges.heartbeats, edges.activities, hooks=edges.hooks)

    @cached_property
    def _schedule(self) -> PollSchedule:
        return PollSchedule(self.edges.polls_per_second)
