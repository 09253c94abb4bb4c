"""The machine: the rules' actions, and the end of every example."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import Callback, State
from ringback.store.database import Database
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests.model.environment import Environment
from tests.model.gates import Mode
from tests.model.processes import ALL_CALLS, CountingLoop, Process
from tests.model.server import Attempt, Execution, Store
from tests.model.truth import lineage
from tests.model.workers import TIMED_OUT

T = TypeVar("T")


class Machine(RuleBasedStateMachine):
    """An environment in an event loop of its own."""

    def __init__(self, make: Callable[[ManualClock], Database] = InMemoryDatabase) -> None:
        super().__init__()
        self._make = make
        self.loop = CountingLoop()
        self.clock = ManualClock()
        self.env = Environment(self.run(self.open_store()), self.clock)

    async def open_store(self) -> Store:
        self._database = self._make(self.clock)
        return SqlStore(self._database)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def go(
        self, begin: Callable[[], Process], calls: int = ALL_CALLS, mode: Mode = Mode.PASSES
    ) -> None:
        async def begun() -> None:
            await begin().step(calls, mode)

        self.run(begun())
        self.env.truth.check()

    def callbacks(self, *states: State) -> Sequence[Callback]:
        known = self.env.truth.known.values()
        return [one for one in known if not states or one.state in states][::-1]

    def executions(self, *, is_started: bool | None = None) -> Sequence[Execution]:
        """Return the pending activities, in backoff or running."""
        waiting = [(execution, self.env.pending(execution)) for execution in self.env.executions]
        return [
            execution
            for execution, found in waiting
            if found is not None and is_started in {None, found.is_started}
        ]

    def processes(self) -> Sequence[Process]:
        """Return the processes that are paused before or after a call."""
        return [one for one in self.env.processes[::-1] if not one.is_over and one.waiting]

    def reports(self) -> Sequence[Attempt]:
        """Return the attempts that have polled; a worker may repeat their reports."""
        return [
            attempt
            for execution in self.env.executions
            if not execution.was_reset
            for attempt in execution.attempts
            if attempt.report is not None
        ]

    def polled(self) -> Sequence[Callback]:
        """Return the open callbacks whose sender is polled."""
        return [one for one in self.callbacks(State.OPEN) if one.options.poll]

    def end_attempt(self, execution: Execution, failure: LastFailure, worker: str = "") -> None:
        self.env.activities.back_off(execution.ref, failure, identity=worker)

    def teardown(self) -> None:
        try:
            if self.env.truth.broken is None:
                self.run(self.finish())
        finally:
            self.run(self.kill_all())
            self.loop.close()

    async def finish(self) -> None:
        """Stop all disturbances, and let everything end."""
        env = self.env
        env.activities.is_reachable, env.activities.is_busy = True, False
        for _ in range(12):
            await self.run_everything()
            if self.is_settled():
                break
        self.check_no_answer_waits()
        self.check_no_attempt_waits_for_a_closed_callback()
        await self.make_due_polls()
        for execution in env.executions:
            env.activities.close_workflow(execution.ref, how="workflow terminated")
        self.clock.advance(timedelta(seconds=31))
        await env.poll_activities().step()
        for _ in range(3):
            await self.run_everything()
            if self.is_settled():
                break
        self.check_no_answer_waits(also_replaced=True)
        open_ones = self.callbacks(State.OPEN)
        assert not open_ones, f"these callbacks should have expired: {open_ones}"

    async def run_everything(self) -> None:
        for execution in self.env.executions:
            await self.run_workers_of(execution)
        self.clock.advance(timedelta(seconds=31))
        self.env.deliverer(0)
        for process in list(self.env.processes):
            if not process.is_over:
                await process.step()
        self.env.truth.check()

    async def make_due_polls(self) -> None:
        """Let due polls be requested and made, and due default answers be used, again and again."""
        env = self.env
        if not self.polled():
            return
        for _ in range(3):
            await self.run_everything()
            await env.request_polls().step()
            for execution in env.executions:
                await self.run_workers_of(execution)
            await env.accept_defaults().step()
            env.truth.check()
        await env.look()
        for execution in env.executions:
            attempt = env.attempt(execution)
            for callback in self.callbacks(State.OPEN):
                if attempt is not None and attempt.callback_id == callback.id:
                    env.truth.polls.check_nothing_is_left(
                        callback,
                        self.clock.now(),
                        is_waiting=attempt.is_waiting,
                        was_reset=execution.was_reset,
                    )

    def is_settled(self) -> bool:
        attempts = [self.env.attempt(execution) for execution in self.executions()]
        are_waiting = all(attempt is not None and attempt.is_waiting for attempt in attempts)
        return are_waiting and not self.callbacks(State.ACCEPTED)

    async def run_workers_of(self, execution: Execution) -> None:
        """Start attempts, and time out those whose worker was killed."""
        pending, attempt = self.env.pending(execution), self.env.attempt(execution)
        if pending is None:
            return
        if pending.paused:
            self.env.activities.unpause(execution.ref)
        if not pending.is_started:
            await self.env.take(execution, "w1").process.step()
        elif attempt is None or (attempt.process.is_over and not attempt.is_waiting):
            self.end_attempt(execution, TIMED_OUT)

    def check_no_answer_waits(self, *, also_replaced: bool = False) -> None:
        latest = {
            lineage(w.attempt.ref): id_ for id_, ws in self.env.truth.requests.items() for w in ws
        }
        waiting = [
            callback
            for callback in self.callbacks(State.ACCEPTED)
            if also_replaced or callback.id in latest.values()
        ]
        assert not waiting, f"these answers wait forever: {waiting}"

    def check_no_attempt_waits_for_a_closed_callback(self) -> None:
        for execution in self.env.executions:
            attempt = self.env.attempt(execution)
            if attempt is not None and attempt.callback_id is not None:
                callback = self.env.truth.known[attempt.callback_id]
                may_be = {State.OPEN, State.PARKED}
                assert callback.state in may_be, f"an attempt waits for {callback}"

    async def kill_all(self) -> None:
        for process in self.env.processes:
            if not process.is_over:
                await process.kill()
        await self._database.close()


def pick(which: int, things: Sequence[T]) -> T:
    """Return one of `things`; 0 is the newest."""
    return things[which % len(things)]
