"""The rules that every machine has: for the workflow, the server, senders and Ringback."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ringback.domain.callback import State
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
CONDITIONS = st.sampled_from(["fine", "fine", "away", "fine", "busy"])
OPERATIONS = st.sampled_from(["reset", "pause", "unpause", "set_timeout", "request_cancel"])
OUTCOMES = st.sampled_from([
    Failed("try again", "Again"),
    Completed(b"1"),
    Failed("no", non_retryable=True),
    Failed("try once more", "Again"),
    Completed(b"2"),
    Canceled(b"1"),
])
BEHIND = st.sampled_from(["result", "failure", "answer"])
DEADLINE = timedelta(seconds=30)
DEFAULTS = st.sampled_from([
    None,
    Completed(b"1"),
    Failed("try again", "Again"),
    Failed("no", non_retryable=True),
])


class Rules(Machine):
    """Rules for whatever the callbacks wait for."""

    @precondition(lambda self: self.executions(is_started=False))
    @rule(which=WHICH, worker=WORKERS, calls=CALLS, mode=MODES)
    def start_attempt(self, which: int, worker: str, calls: int, mode: Mode) -> None:
        execution = pick(which, self.executions(is_started=False))
        self.env.activities.unpause(execution.ref)
        self.go(lambda: self.env.take(execution, worker).process, calls, mode)

    @precondition(lambda self: self.executions(is_started=True))
    @rule(which=WHICH, worker=WORKERS, calls=CALLS, mode=MODES, seconds=SECONDS)
    def time_out_attempt_and_start_next(
        self, which: int, worker: str, calls: int, mode: Mode, seconds: int
    ) -> None:
        execution = pick(which, self.executions(is_started=True))
        self.end_attempt(execution, TIMED_OUT)
        if self.env.pending(execution) is not None:
            self.go(lambda: self.env.take(execution, worker).process, calls, mode)
        self.advance_clock(seconds)

    @precondition(lambda self: self.executions(is_started=True))
    @rule(which=WHICH, is_its_worker_stopped=st.booleans())
    def end_running_attempt(self, which: int, *, is_its_worker_stopped: bool) -> None:
        execution = pick(which, self.executions(is_started=True))
        attempt = self.env.attempt(execution)
        if is_its_worker_stopped and attempt is not None and not attempt.is_waiting:
            self.run(attempt.process.kill())
            self.end_attempt(execution, OWN_FAILURE, attempt.worker)
        else:
            self.end_attempt(execution, TIMED_OUT)

    @precondition(lambda self: self.executions())
    @rule(which=WHICH, does=OPERATIONS)
    def operate_on_activity(self, which: int, does: str) -> None:
        execution = pick(which, self.executions())
        if does in {"reset", "request_cancel"} and self.env.requesters:
            # No read before a request can exclude these: the one makes tokens of earlier attempts
            # valid again, and after the other Temporal starts no next attempt.
            return
        ref, execution.was_reset = execution.ref, execution.was_reset or does == "reset"
        if does == "set_timeout":
            self.env.activities.set_timeout(ref, self.clock.now() + timedelta(seconds=60))
        else:
            getattr(self.env.activities, does)(ref)

    @rule(which=WHICH, does=st.sampled_from(["reset", "close", "ask again", "continue as new"]))
    def change_workflow(self, which: int, does: str) -> None:
        execution = pick(which, self.env.executions)
        if does == "reset":
            self.env.reset_workflow(execution)
        elif self.env.pending(execution) is None:
            self.env.run_again(execution, in_a_new_run=does == "continue as new")
        elif does == "close":
            self.env.activities.close_workflow(execution.ref, how="workflow terminated")

    @rule(condition=CONDITIONS, most_attempts=st.sampled_from([0, 0, 2, 3]), seconds=SECONDS)
    def change_temporal(self, condition: str, most_attempts: int, seconds: int) -> None:
        self.env.activities.is_reachable = condition != "away"
        self.env.activities.is_busy = condition == "busy"
        if not self.env.requesters:
            # No read before the request can exclude that an attempt becomes the last one.
            self.env.activities.most_attempts = most_attempts
        self.advance_clock(seconds)

    @precondition(lambda self: self.callbacks())
    @rule(which=WHICH, outcome=OUTCOMES, calls=CALLS, mode=MODES)
    def begin_answer(self, which: int, outcome: Outcome, calls: int, mode: Mode) -> None:
        to = pick(which, self.callbacks()).id
        self.go(lambda: self.env.send(to, outcome), calls, mode)

    @precondition(lambda self: self.callbacks())
    @rule(which=WHICH, does=st.sampled_from(["heartbeat", "extend", "redeliver"]))
    def heartbeat_extend_or_redeliver(self, which: int, does: str) -> None:
        callback = pick(which, self.callbacks())
        minute = timedelta(minutes=1)
        if does == "heartbeat":
            self.go(lambda: self.env.heartbeat(callback.id))
        elif does == "extend":
            self.go(lambda: self.env.operate(lambda person: person.extend(callback.id, minute)))
        elif callback.state is State.PARKED and not self.env.truth.has_effect(callback):
            # An operator who redelivers decides that it was not applied; here that is true.
            self.go(lambda: self.env.operate(lambda person: person.redeliver(callback.id)))

    @precondition(lambda self: self.callbacks(State.ACCEPTED))
    @rule(which=DELIVERERS)
    def deliver_all(self, which: int) -> None:
        self.go(lambda: self.env.deliverer(which))

    @precondition(lambda self: self.callbacks(State.OPEN))
    @rule(calls=CALLS, mode=MODES, does=st.sampled_from(["poll_activities", "accept_defaults"]))
    def poll_or_accept_defaults(self, calls: int, mode: Mode, does: str) -> None:
        self.go(getattr(self.env, does), calls, mode)

    @precondition(lambda self: self.processes())
    @rule(which=WHICH, calls=CALLS, mode=MODES, seconds=SECONDS)
    def run_process(self, which: int, calls: int, mode: Mode, seconds: int) -> None:
        self.go(lambda: pick(which, self.processes()), calls, mode)
        self.advance_clock(seconds)

    @precondition(lambda self: self.processes())
    @rule(which=WHICH)
    def kill_process(self, which: int) -> None:
        self.run(pick(which, self.processes()).kill())

    @rule(seconds=SECONDS)
    def advance_clock(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))
