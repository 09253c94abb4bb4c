"""The protocol as a state machine: its promises hold for every order of events."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from ringback.domain.callback import State
from ringback.domain.options import Attempts, CallbackOptions, HeartbeatBy
from ringback.domain.outcome import Outcome
from tests.model.gates import Mode
from tests.model.machine import pick
from tests.model.rules import (
    BEHIND,
    CALLS,
    DEADLINE,
    DEFAULTS,
    DELIVERERS,
    MODES,
    OUTCOMES,
    SECONDS,
    WHICH,
    WORKERS,
    Rules,
)

OPTIONS = st.builds(
    lambda which, **options: CallbackOptions(attempts=which[0], resume=which[1], **options),
    st.sampled_from([(Attempts.ANY, False), (Attempts.CURRENT, False), (Attempts.ANY, True)]),
    follow_reset=st.booleans(),
    on_deadline=DEFAULTS,
    deadline=st.sampled_from([None, DEADLINE]),
    heartbeat=st.sampled_from(HeartbeatBy),
    cancel_within=st.sampled_from([None, timedelta(seconds=5)]),
)


class Protocol(Rules):
    """A rule for everything that may happen."""

    @initialize(options=OPTIONS, behind=BEHIND, worker=WORKERS)
    def open_first_callback(self, options: CallbackOptions, behind: str, worker: str) -> None:
        execution = self.env.schedule(options, behind)
        self.go(lambda: self.env.take(execution, worker).process)

    @initialize(outcome=OUTCOMES | st.none(), calls=st.integers(0, 4), mode=MODES, seconds=SECONDS)
    def answer_and_begin_delivery(
        self, outcome: Outcome | None, calls: int, mode: Mode, seconds: int
    ) -> None:
        """Most interesting examples start with an unfinished delivery."""
        if outcome is not None and self.callbacks(State.OPEN):
            self.answer(0, outcome)
            self.run_deliverer(0, calls, mode, seconds)

    @precondition(lambda self: len(self.executions()) < 2)
    @rule(options=OPTIONS, behind=BEHIND, worker=WORKERS, calls=CALLS, mode=MODES)
    def open_another_callback(
        self, options: CallbackOptions, behind: str, worker: str, calls: int, mode: Mode
    ) -> None:
        execution = self.env.schedule(options, behind)
        self.go(lambda: self.env.take(execution, worker).process, calls, mode)

    @precondition(lambda self: self.callbacks(State.OPEN))
    @rule(which=WHICH, outcome=OUTCOMES)
    def answer(self, which: int, outcome: Outcome) -> None:
        to = pick(which, self.callbacks(State.OPEN)).id
        self.go(lambda: self.env.send(to, outcome))

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS, calls=CALLS, mode=MODES, seconds=SECONDS)
    def run_deliverer(self, which: int, calls: int, mode: Mode, seconds: int) -> None:
        self.go(lambda: self.env.deliverer(which), calls, mode)
        self.advance_clock(seconds)

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS, mode=MODES)
    def run_and_kill_deliverer(self, which: int, mode: Mode) -> None:
        self.go(lambda: self.env.deliverer(which), 2, mode)
        self.run(self.env.deliverer(which).kill())

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS)
    def stop_deliverer(self, which: int) -> None:
        async def stop() -> None:
            await self.env.deliverer(which).stop()

        self.run(stop())
        self.env.truth.check()

    @precondition(lambda self: self.callbacks(State.OPEN))
    @rule(which=DELIVERERS, calls=CALLS, mode=MODES, seconds=SECONDS)
    def run_heartbeat_keeper(self, which: int, calls: int, mode: Mode, seconds: int) -> None:
        self.go(lambda: self.env.keeper(which), calls, mode)
        self.advance_clock(seconds)

    @precondition(lambda self: self.callbacks(State.PARKED))
    @rule(which=WHICH, calls=CALLS, mode=MODES)
    def give_up(self, which: int, calls: int, mode: Mode) -> None:
        callback = pick(which, self.callbacks(State.PARKED))
        # As with a redelivery: where Temporal shows nothing, the operator decides.
        if not self.env.truth.has_effect(callback):
            self.go(lambda: self.env.give_up(callback.id), calls, mode)
