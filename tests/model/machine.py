"""The machine: what the rules act with, and how every example comes to its end."""

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
from tests.model.gates import Mode
from tests.model.processes import ALL_CALLS, CountingLoop, Process
from tests.model.server import Play, Store
from tests.model.truth import lineage
from tests.model.workers import TIMED_OUT
from tests.model.world import World

T = TypeVar("T")


class Machine(RuleBasedStateMachine):
    """A world in an event loop of its own."""

    def __init__(self, make: Callable[[ManualClock], Database] = InMemoryDatabase) -> None:
        super().__init__()
        self._make = make
        self.loop = CountingLoop()
        self.clock = ManualClock()
        self.world = World(self.run(self.open_store()), self.clock)

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
        self.world.truth.check()

    def callbacks(self, *states: State) -> Sequence[Callback]:
        known = self.world.truth.known.values()
        return [one for one in known if not states or one.state in states][::-1]

    def plays(self, *, is_started: bool | None = None) -> Sequence[Play]:
        """Return the activities that wait, in back-off or with an attempt that runs."""
        waiting = [(play, self.world.pending(play)) for play in self.world.plays]
        return [
            play
            for play, found in waiting
            if found is not None and is_started in {None, found.is_started}
        ]

    def processes(self) -> Sequence[Process]:
        """Return what stands still before or after a call."""
        return [one for one in self.world.processes[::-1] if not one.is_over and one.waiting]

    def end_attempt(self, play: Play, failure: LastFailure, worker: str = "") -> None:
        self.world.activities.back_off(play.ref, failure, identity=worker)

    def teardown(self) -> None:
        try:
            if self.world.truth.broken is None:
                self.run(self.ending())
        finally:
            self.run(self.leave())
            self.loop.close()

    async def ending(self) -> None:
        """All trouble is over: everything comes to its end."""
        world = self.world
        world.activities.is_reachable, world.activities.is_busy = True, False
        for _ in range(12):
            await self.go_on()
            if self.is_settled():
                break
        self.check_no_answer_waits()
        self.check_nobody_waits_in_vain()
        for play in world.plays:
            world.activities.close_workflow(play.ref, how="workflow terminated")
        self.clock.advance(timedelta(seconds=31))
        await world.look_around().step()
        for _ in range(3):
            await self.go_on()
            if self.is_settled():
                break
        self.check_no_answer_waits(also_replaced=True)
        open_ones = self.callbacks(State.OPEN)
        assert not open_ones, f"nobody waits for them any more: {open_ones}"

    async def go_on(self) -> None:
        for play in self.world.plays:
            await self.bring_on(play)
        self.clock.advance(timedelta(seconds=31))
        self.world.deliverer(0)
        for process in list(self.world.processes):
            if not process.is_over:
                await process.step()
        self.world.truth.check()

    def is_settled(self) -> bool:
        attempts = [self.world.attempt(play) for play in self.plays()]
        are_asleep = all(attempt is not None and attempt.is_asleep for attempt in attempts)
        return are_asleep and not self.callbacks(State.ACCEPTED)

    async def bring_on(self, play: Play) -> None:
        """Let the workers do their part: take attempts, and be timed out if they were killed."""
        pending, attempt = self.world.pending(play), self.world.attempt(play)
        if pending is None:
            return
        if pending.paused:
            self.world.activities.unpause(play.ref)
        if not pending.is_started:
            await self.world.take(play, "w1").process.step()
        elif attempt is None or (attempt.process.is_over and not attempt.is_asleep):
            self.end_attempt(play, TIMED_OUT)

    def check_no_answer_waits(self, *, also_replaced: bool = False) -> None:
        latest = {lineage(w.ref): id_ for id_, ws in self.world.truth.asked.items() for w in ws}
        waiting = [
            callback
            for callback in self.callbacks(State.ACCEPTED)
            if also_replaced or callback.id in latest.values()
        ]
        assert not waiting, f"they wait for ever: {waiting}"

    def check_nobody_waits_in_vain(self) -> None:
        for play in self.world.plays:
            attempt = self.world.attempt(play)
            if attempt is not None and attempt.callback_id is not None:
                callback = self.world.truth.known[attempt.callback_id]
                may_be = {State.OPEN, State.PARKED}
                assert callback.state in may_be, (
                    f"an attempt sleeps, and its callback is {callback}"
                )

    async def leave(self) -> None:
        for process in self.world.processes:
            if not process.is_over:
                await process.kill()
        await self._database.close()


def pick(which: int, things: Sequence[T]) -> T:
    """Return one of the things, the newest for 0."""
    return things[which % len(things)]
