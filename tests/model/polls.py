"""Polls of senders as a state machine: the promises hold for every order of events."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Completed, Failed
from tests.model.gates import Mode
from tests.model.machine import pick
from tests.model.processes import ALL_CALLS
from tests.model.rules import (
    BEHIND,
    CALLS,
    DEADLINE,
    DEFAULTS,
    MODES,
    SECONDS,
    WHICH,
    WORKERS,
    Rules,
)
from tests.model.server import NOT_YET, Report
from tests.model.workers import TIMED_OUT

EVERY = timedelta(seconds=5)
POLLED = st.builds(
    lambda every, **options: CallbackOptions(
        poll=True, poll_every=every[0], deadline=every[1], **options
    ),
    st.sampled_from([(EVERY, None), (None, DEADLINE), (EVERY, DEADLINE)]),
    resume=st.booleans(),
    follow_reset=st.booleans(),
    on_deadline=DEFAULTS,
    cancel_within=st.sampled_from([None, EVERY]),
)
SENDER_SAYS = st.lists(
    st.sampled_from([
        NOT_YET,
        (None, "OSError"),
        (Completed(b"3"), None),
        (Failed("no", non_retryable=True), None),
    ]),
    max_size=3,
)


class Polls(Rules):
    """A rule for everything that may happen to a callback whose sender is polled."""

    @initialize(options=POLLED, behind=BEHIND, says=SENDER_SAYS, worker=WORKERS)
    def open_first_callback(
        self, options: CallbackOptions, behind: str, says: Sequence[Report], worker: str
    ) -> None:
        execution = self.env.schedule(options, behind, says)
        self.go(lambda: self.env.take(execution, worker).process)

    @precondition(lambda self: len(self.executions()) < 2)
    @rule(options=POLLED, behind=BEHIND, says=SENDER_SAYS, worker=WORKERS, calls=CALLS, mode=MODES)
    def open_another_callback(
        self,
        options: CallbackOptions,
        behind: str,
        says: Sequence[Report],
        worker: str,
        calls: int,
        mode: Mode,
    ) -> None:
        execution = self.env.schedule(options, behind, says)
        self.go(lambda: self.env.take(execution, worker).process, calls, mode)

    @precondition(lambda self: self.polled())
    @rule(calls=CALLS, mode=MODES, seconds=SECONDS)
    def request_polls(self, calls: int, mode: Mode, seconds: int) -> None:
        self.advance_clock(seconds)
        self.go(self.env.request_polls, calls, mode)

    @initialize(worker=WORKERS, calls=st.integers(0, 4), mode=MODES)
    def begin_poll(self, worker: str, calls: int, mode: Mode) -> None:
        """Most interesting examples start with an unfinished poll."""
        self.poll(6, worker, ALL_CALLS, Mode.PASSES, calls, mode)

    @precondition(lambda self: self.polled())
    @rule(
        seconds=st.sampled_from([6, 31]),
        worker=WORKERS,
        calls=CALLS,
        mode=MODES,
        attempt_calls=CALLS,
        attempt_mode=MODES,
    )
    def poll(
        self,
        seconds: int,
        worker: str,
        calls: int,
        mode: Mode,
        attempt_calls: int,
        attempt_mode: Mode,
    ) -> None:
        """Let an attempt wait, then request its poll, and begin it."""
        self.start_all(worker)
        self.advance_clock(seconds)
        self.go(self.env.request_polls, calls, mode)
        self.start_all(worker, attempt_calls, attempt_mode)

    @precondition(lambda self: self.polled() and self.executions(is_started=True))
    @rule(which=WHICH, does=st.sampled_from(["request_cancel", "pause", "set_timeout"]))
    def operate_before_request(self, which: int, does: str) -> None:
        self.operate_on_activity(which, does)
        self.advance_clock(31)
        self.go(self.env.request_polls)

    @precondition(lambda self: self.polled() and self.executions(is_started=True))
    @rule(which=WHICH, worker=WORKERS, calls=CALLS, mode=MODES)
    def end_attempt_during_request(self, which: int, worker: str, calls: int, mode: Mode) -> None:
        """Freeze a gateway that is about to end an attempt, and end that attempt."""
        self.advance_clock(31)
        self.go(self.env.request_polls, 3)
        self.time_out_attempt_and_start_next(which, worker, calls, mode, 0)
        if self.env.requesters:
            self.go(lambda: self.env.requesters[-1])

    def start_all(self, worker: str, calls: int = ALL_CALLS, mode: Mode = Mode.PASSES) -> None:
        for _ in self.executions(is_started=False):
            self.start_attempt(0, worker, calls, mode)

    @precondition(lambda self: self.polled() and self.executions(is_started=True))
    @precondition(lambda self: not self.env.requesters)
    @rule(which=WHICH, worker=WORKERS, calls=st.sampled_from([0, 0, ALL_CALLS]))
    def repeat_number_of_attempt(self, which: int, worker: str, calls: int) -> None:
        """Reset the activity, and start attempts until one has the number and token of before."""
        execution = pick(which, self.executions(is_started=True))
        self.time_out_attempt_and_start_next(which, worker, ALL_CALLS, Mode.PASSES, 0)
        before = self.env.pending(execution)
        if before is None:
            return
        execution.was_reset = True
        self.env.activities.reset(execution.ref)
        while (now := self.env.pending(execution)) and now.attempt < before.attempt:
            self.end_attempt(execution, TIMED_OUT)
            if self.env.pending(execution) is not None:
                self.go(lambda: self.env.take(execution, worker).process, calls)
        self.advance_clock(31)
        self.go(self.env.request_polls)

    @precondition(lambda self: self.polled())
    @rule(calls=CALLS, mode=MODES, is_requested=st.booleans(), seconds=SECONDS)
    def reach_deadline(self, calls: int, mode: Mode, seconds: int, *, is_requested: bool) -> None:
        self.advance_clock(31)
        if is_requested:
            self.go(self.env.request_polls, calls, mode)
        self.go(self.env.accept_defaults)
        self.advance_clock(seconds)

    @precondition(lambda self: self.reports())
    @rule(which=WHICH, calls=CALLS, mode=MODES)
    def repeat_report(self, which: int, calls: int, mode: Mode) -> None:
        self.go(lambda: self.env.repeat_report(pick(which, self.reports())), calls, mode)
