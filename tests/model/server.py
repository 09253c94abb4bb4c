"""The server and the store, whose changes are compared with the truth."""

from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, Protocol, TypeAlias, cast

from ringback.domain.activity_state import Pending
from ringback.domain.callback import Accepted, ActivityExecution, Callback, State
from ringback.domain.errors import StoreUnavailableError, TemporalUnreachableError
from ringback.domain.ids import CallbackId, OutcomeId, to_poll_identity
from ringback.domain.opening import OpenRequest
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Completed, Failed
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.deadlines import Deadlines, SenderPollStore
from ringback.ports.deliveries import DeliveryQueue, ParkedAnswers
from ringback.ports.store import CallbackIndex, CallbackQuery, CallbackStore, Links
from ringback.ports.votes import VoteStore
from ringback.testing import ManualClock
from tests import factories
from tests.model.activities import Activities
from tests.model.gates import Gate, Gated
from tests.model.processes import Process
from tests.model.truth import Effect, Truth
from tests.pollers import Temporal

MOVE_STATES: Final = frozenset({
    "open",
    "accept",
    "expire",
    "settle",
    "redeliver",
    "give_up",
    "accept_defaults",
})


class Store(
    CallbackStore,
    DeliveryQueue,
    ParkedAnswers,
    Deadlines,
    CallbackIndex,
    VoteStore,
    ActivityPollStore,
    SenderPollStore,
    Links,
    Protocol,
):
    """A whole store."""


Report: TypeAlias = tuple[Completed | Failed | None, str | None]
"""What a poll found: an answer or an error; neither is not yet."""

NOT_YET: Final[Report] = (None, None)


@dataclass(eq=False)
class Attempt:
    """An attempt that a worker has started.

    Attributes:
        request: Its request to open the callback.
        worker: The identity of its worker.
        process: The process that runs it.
        callback_id: Its callback.
        is_waiting: Whether it waits for an answer of a sender.
        continues: Whether it runs the code behind its wait.
        report: What its poll of the sender found; `None` if it has made none.
    """

    request: OpenRequest
    worker: str
    process: Process
    callback_id: CallbackId | None = None
    is_waiting: bool = False
    continues: bool = False
    report: Report | None = None


@dataclass(eq=False)
class Execution:
    """An activity, which later runs may repeat.

    Attributes:
        ref: Its latest execution.
        options: The options of its callback.
        attempts: The attempts that a worker started, oldest first.
        behind: What the code behind a wait with `resume` does in its first attempt: `result`,
            `failure` of its own, or `answer`, which it returns or raises.
        sender_says: What polls of the sender find, in order; then `NOT_YET`.
        was_reset: Whether an operator reset it, which makes the token of an earlier attempt valid.
    """

    ref: ActivityExecution
    options: CallbackOptions
    attempts: list[Attempt] = field(default_factory=list)
    behind: str = "result"
    sender_says: deque[Report] = field(default_factory=deque)
    was_reset: bool = False


class Server:
    """Temporal and a store behind gates, and the activities of workflows."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.store = store
        self.activities = Activities(clock=clock)
        self.truth = Truth(self.activities)
        self.executions: list[Execution] = []
        self.processes: list[Process] = []
        self._refs: list[ActivityExecution] = []
        self._numbers = count(1)

    def _ports(self, gate: Gate) -> tuple[Store, Temporal]:
        store = Gated(gate, self._make_in_store, StoreUnavailableError)
        activities = Gated(gate, self._make_at_temporal, TemporalUnreachableError)
        return cast("Store", store), cast("Temporal", activities)

    async def _make_in_store(self, name: str, args: Any, options: Any) -> Any:
        reply = await getattr(self.store, name)(*args, **options)
        if name == "open":
            for request, callback in zip(args[0], reply, strict=True):
                self.truth.requests[callback.id].append(request)
        with self.truth.recorded():
            self.truth.polls.note_call(name, args, reply, self.clock.now())
        if name in MOVE_STATES:
            await self.look()
        return reply

    async def _make_at_temporal(self, name: str, args: Any, options: Any) -> Any:
        if options.get("identity", "").endswith("/resume"):
            return await self._resume(getattr(self.activities, name)(*args, **options))
        if name == "deliver_to_attempt" and options["identity"] == to_poll_identity(args[0].id):
            ending = self.activities.deliver_to_attempt(*args, **options)
            return await self._end_for_poll(args[0], ending)
        if not name.startswith("deliver"):
            return await getattr(self.activities, name)(*args, **options)
        return await self._note_effect(
            args[0].accepted, options["identity"], getattr(self.activities, name)(*args, **options)
        )

    async def _resume(self, ending: Awaitable[None]) -> None:
        """End an attempt so that the next one continues; check that it has not continued itself."""
        before = {one.ref: self.activities.pending(one.ref) for one in self.executions}
        await ending
        for execution in self.executions:
            was = before[execution.ref]
            is_same = was == self.activities.pending(execution.ref)
            if was is None or is_same or execution.was_reset:
                continue
            started_at = was.started_at
            ended = [
                one for one in execution.attempts if one.request.attempt.started_at == started_at
            ]
            with self.truth.recorded():
                assert not any(one.continues for one in ended), f"{execution.ref} had continued"

    async def _end_for_poll(self, callback: Callback, ending: Awaitable[None]) -> None:
        """End an attempt so that the next one polls; check that this was allowed."""
        before = {ref: self.activities.pending(ref) for ref in self._refs}
        await ending
        for ref, was in before.items():
            found = self.activities.pending(ref)
            if was is not None and was != found:
                with self.truth.recorded():
                    self.truth.polls.check_ended(
                        callback, ref=ref, was=was, is_pending=found is not None
                    )

    async def _note_effect(self, accepted: Accepted, by: str, taking: Awaitable[None]) -> None:
        before = {ref: self.activities.pending(ref) for ref in self._refs}
        await taking
        with self.truth.recorded():
            self._note(accepted, by, before)

    def _note(
        self, accepted: Accepted, by: str, before: dict[ActivityExecution, Pending | None]
    ) -> None:
        (ended,) = [ref for ref in self._refs if self.activities.pending(ref) != before[ref]]
        was = before[ended]
        assert was is not None, "only what waits ends"
        self.truth.note_ended(accepted.id, Effect(ended, was.started_at, by))

    async def look(self) -> None:
        """Check the store against the truth."""
        listed = await self.store.page(
            CallbackQuery(states=frozenset(State)), after=None, limit=1000
        )
        found = await self.store.find([callback.id for callback in listed])
        with self.truth.recorded():
            self.truth.look(list(found.values()))

    def _process(self, name: str) -> Process:
        process = Process(f"{name} {next(self._numbers)}", Gate(self.clock))
        self.processes = [other for other in self.processes if not other.is_over]
        self.processes.append(process)
        return process

    def _new_outcome_id(self) -> OutcomeId:
        return OutcomeId(f"oc_{next(self._numbers):04}")

    def schedule(
        self, options: CallbackOptions, behind: str = "result", sender_says: Sequence[Report] = ()
    ) -> Execution:
        """Schedule an activity that no worker has started yet."""
        number = next(self._numbers)
        ref = factories.activity_ref(
            workflow_id=f"workflow-{number}", run_id="run-1", scheduled_at=self._instant()
        )
        execution = Execution(ref, options, behind=behind, sender_says=deque(sender_says))
        self.executions.append(execution)
        self._schedule(execution, ref)
        return execution

    def _instant(self) -> datetime:
        return self.clock.now() + timedelta(microseconds=next(self._numbers))

    def _schedule(self, execution: Execution, ref: ActivityExecution) -> None:
        execution.ref = ref
        self._refs.append(ref)
        self.activities.schedule(ref, is_started=False)

    def run_again(self, execution: Execution, *, in_a_new_run: bool) -> None:
        """Schedule the activity again under its id."""
        again = replace(execution.ref, scheduled_at=self._instant())
        if in_a_new_run:
            self.activities.close_workflow(execution.ref, how="workflow completed")
            again = replace(again, run_id=f"run-{next(self._numbers)}")
        self._schedule(execution, again)

    def reset_workflow(self, execution: Execution) -> None:
        """Reset the workflow to the point where the activity waits."""
        moved = replace(execution.ref, run_id=f"run-{next(self._numbers)}")
        self.activities.close_workflow(execution.ref, how="workflow terminated")
        self._schedule(execution, moved)

    def pending(self, execution: Execution) -> Pending | None:
        """Return the activity's pending state."""
        return self.activities.pending(execution.ref)
