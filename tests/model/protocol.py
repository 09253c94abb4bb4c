"""The protocol as a state machine: whatever happens, in whatever order, the promises hold."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from ringback.domain.callback import State
from ringback.domain.options import Attempts, CallbackOptions, HeartbeatBy
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from tests.model.gates import Mode
from tests.model.machine import Machine, pick
from tests.model.processes import ALL_CALLS
from tests.model.workers import OWN_FAILURE, TIMED_OUT

WHICH = st.integers(0, 3)
CALLS = st.sampled_from([1, 2, 3, ALL_CALLS])
MODES = st.sampled_from([Mode.PASSES, *Mode])
DELIVERERS = st.integers(0, 1)
SECONDS = st.sampled_from([0, 1, 0, 6, 16, 31, 100])
WORKERS = st.sampled_from(["w1", "w2"])
TEMPERS = st.sampled_from(["fine", "fine", "away", "fine", "busy"])
OPERATIONS = st.sampled_from(["reset", "pause", "unpause", "set_timeout", "request_cancel"])
OUTCOMES = st.sampled_from([
    Failed("try again", "Again"),
    Completed(b"1"),
    Failed("no", non_retryable=True),
    Failed("try once more", "Again"),
    Completed(b"2"),
    Canceled(b"1"),
])
OPTIONS = st.builds(
    CallbackOptions,
    attempts=st.sampled_from(Attempts),
    follow_reset=st.booleans(),
    on_deadline=st.sampled_from([
        None,
        Completed(b"1"),
        Failed("try again", "Again"),
        Failed("no", non_retryable=True),
    ]),
    deadline=st.sampled_from([None, timedelta(seconds=30)]),
    heartbeat=st.sampled_from(HeartbeatBy),
    cancel_within=st.sampled_from([None, timedelta(seconds=5)]),
)


class Protocol(Machine):
    """Rules for everything that may happen."""

    # The workflow and the server.

    @initialize(options=OPTIONS, worker=WORKERS)
    def an_activity_asks(self, options: CallbackOptions, worker: str) -> None:
        play = self.world.schedule(options)
        self.go(lambda: self.world.take(play, worker).process)

    @initialize(outcome=OUTCOMES | st.none(), calls=st.integers(0, 4), mode=MODES, seconds=SECONDS)
    def it_is_answered_perhaps(
        self, outcome: Outcome | None, calls: int, mode: Mode, seconds: int
    ) -> None:
        """Most of what may go wrong begins so, with a delivery that is not at its end."""
        if outcome is not None and self.callbacks(State.OPEN):
            self.somebody_answers(0, outcome)
            self.a_deliverer_goes_on(0, calls, mode, seconds)

    @precondition(lambda self: len(self.plays()) < 2)
    @rule(options=OPTIONS, worker=WORKERS, calls=CALLS, mode=MODES)
    def another_activity_asks(
        self, options: CallbackOptions, worker: str, calls: int, mode: Mode
    ) -> None:
        play = self.world.schedule(options)
        self.go(lambda: self.world.take(play, worker).process, calls, mode)

    @precondition(lambda self: self.plays(is_started=False))
    @rule(which=WHICH, worker=WORKERS, calls=CALLS, mode=MODES)
    def an_attempt_begins(self, which: int, worker: str, calls: int, mode: Mode) -> None:
        play = pick(which, self.plays(is_started=False))
        self.world.activities.unpause(play.ref)
        self.go(lambda: self.world.take(play, worker).process, calls, mode)

    @precondition(lambda self: self.plays(is_started=True))
    @rule(which=WHICH, worker=WORKERS, calls=CALLS, mode=MODES, seconds=SECONDS)
    def an_attempt_times_out_and_the_next_begins(
        self, which: int, worker: str, calls: int, mode: Mode, seconds: int
    ) -> None:
        play = pick(which, self.plays(is_started=True))
        self.end_attempt(play, TIMED_OUT)
        if self.world.pending(play) is not None:
            self.go(lambda: self.world.take(play, worker).process, calls, mode)
        self.time_passes(seconds)

    @precondition(lambda self: self.plays(is_started=True))
    @rule(which=WHICH, is_its_worker_stopped=st.booleans())
    def an_attempt_ends(self, which: int, *, is_its_worker_stopped: bool) -> None:
        play = pick(which, self.plays(is_started=True))
        attempt = self.world.attempt(play)
        if is_its_worker_stopped and attempt is not None and not attempt.is_asleep:
            self.run(attempt.process.kill())
            self.end_attempt(play, OWN_FAILURE, attempt.worker)
        else:
            self.end_attempt(play, TIMED_OUT)

    @precondition(lambda self: self.plays())
    @rule(which=WHICH, does=OPERATIONS)
    def an_operator_steps_in(self, which: int, does: str) -> None:
        ref = pick(which, self.plays()).ref
        if does == "set_timeout":
            self.world.activities.set_timeout(ref, self.clock.now() + timedelta(seconds=60))
        else:
            getattr(self.world.activities, does)(ref)

    @rule(which=WHICH, does=st.sampled_from(["reset", "close", "ask again", "continue as new"]))
    def the_workflow_goes_on(self, which: int, does: str) -> None:
        play = pick(which, self.world.plays)
        if does == "reset":
            self.world.reset_workflow(play)
        elif self.world.pending(play) is None:
            self.world.run_again(play, in_a_new_run=does == "continue as new")
        elif does == "close":
            self.world.activities.close_workflow(play.ref, how="workflow terminated")

    @rule(temper=TEMPERS, most_attempts=st.sampled_from([0, 0, 2]), seconds=SECONDS)
    def temporal_is_otherwise(self, temper: str, most_attempts: int, seconds: int) -> None:
        self.world.activities.is_reachable = temper != "away"
        self.world.activities.is_busy = temper == "busy"
        self.world.activities.most_attempts = most_attempts
        self.time_passes(seconds)

    # The outside.

    @precondition(lambda self: self.callbacks(State.OPEN))
    @rule(which=WHICH, outcome=OUTCOMES)
    def somebody_answers(self, which: int, outcome: Outcome) -> None:
        to = pick(which, self.callbacks(State.OPEN)).id
        self.go(lambda: self.world.send(to, outcome))

    @precondition(lambda self: self.callbacks())
    @rule(which=WHICH, outcome=OUTCOMES, calls=CALLS, mode=MODES)
    def somebody_begins_to_answer(
        self, which: int, outcome: Outcome, calls: int, mode: Mode
    ) -> None:
        to = pick(which, self.callbacks()).id
        self.go(lambda: self.world.send(to, outcome), calls, mode)

    @precondition(lambda self: self.callbacks())
    @rule(which=WHICH, does=st.sampled_from(["heartbeat", "extend", "redeliver"]))
    def somebody_does_something(self, which: int, does: str) -> None:
        callback = pick(which, self.callbacks())
        minute = timedelta(minutes=1)
        if does == "heartbeat":
            self.go(lambda: self.world.beat(callback.id))
        elif does == "extend":
            self.go(lambda: self.world.operate(lambda person: person.extend(callback.id, minute)))
        elif callback.state is State.PARKED and not self.world.truth.has_effect(callback):
            # Who redelivers decides that it was not applied; here he is right.
            self.go(lambda: self.world.operate(lambda person: person.redeliver(callback.id)))

    # Ringback.

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS, calls=CALLS, mode=MODES, seconds=SECONDS)
    def a_deliverer_goes_on(self, which: int, calls: int, mode: Mode, seconds: int) -> None:
        self.go(lambda: self.world.deliverer(which), calls, mode)
        self.time_passes(seconds)

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS, mode=MODES)
    def a_deliverer_goes_on_and_is_killed(self, which: int, mode: Mode) -> None:
        self.go(lambda: self.world.deliverer(which), 2, mode)
        self.run(self.world.deliverer(which).kill())

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS)
    def outcomes_are_delivered(self, which: int) -> None:
        self.go(lambda: self.world.deliverer(which))

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS)
    def a_deliverer_is_stopped(self, which: int) -> None:
        async def stop() -> None:
            await self.world.deliverer(which).stop()

        self.run(stop())
        self.world.truth.check()

    @precondition(lambda self: self.callbacks(State.OPEN))
    @rule(calls=CALLS, mode=MODES, does=st.sampled_from(["look_around", "keep"]))
    def a_gateway_looks_around(self, calls: int, mode: Mode, does: str) -> None:
        self.go(getattr(self.world, does), calls, mode)

    @precondition(lambda self: self.callbacks(State.OPEN))
    @rule(which=DELIVERERS, calls=CALLS, mode=MODES, seconds=SECONDS)
    def a_keeper_goes_on(self, which: int, calls: int, mode: Mode, seconds: int) -> None:
        self.go(lambda: self.world.keeper(which), calls, mode)
        self.time_passes(seconds)

    @precondition(lambda self: self.processes())
    @rule(which=WHICH, calls=CALLS, mode=MODES, seconds=SECONDS)
    def a_process_goes_on(self, which: int, calls: int, mode: Mode, seconds: int) -> None:
        self.go(lambda: pick(which, self.processes()), calls, mode)
        self.time_passes(seconds)

    @precondition(lambda self: self.processes())
    @rule(which=WHICH)
    def a_process_is_killed(self, which: int) -> None:
        self.run(pick(which, self.processes()).kill())

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))
