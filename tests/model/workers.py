"""The workers: they start attempts, which open callbacks and then wait or end."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from ringback.core.opening import CallbackOpener
from ringback.core.sender_polls import PollReports
from ringback.core.services import run_services
from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import Accepted
from ringback.domain.errors import ActivityGoneError, RingbackError, TemporalUnreachableError
from ringback.domain.ids import CallbackId, to_identity
from ringback.domain.opening import Next, next_of
from ringback.domain.outcome import Canceled, Completed, Failed
from tests import factories
from tests.model.server import NOT_YET, Attempt, Execution, Report, Server, Store
from tests.pollers import Temporal

HEARTBEAT_TIMEOUT: Final = timedelta(seconds=20)
OWN_RESULT: Final = Completed(b'"the own result of the activity"')
STOPPED: Final = Failed("the worker was stopped", "Stopped")
OWN_FAILURE: Final = LastFailure("application", STOPPED.message, STOPPED.type, "")
TIMED_OUT: Final = LastFailure("timeout", "activity StartToClose timeout", None, "Server")


class Workers(Server):
    """Starts attempts, and does what the SDK and `ringback.worker` do in a worker."""

    def attempt(self, execution: Execution) -> Attempt | None:
        """Return the running attempt, if a worker has started it."""
        pending = self.pending(execution)
        if pending is None or not pending.is_started or not execution.attempts:
            return None
        latest = execution.attempts[-1]
        is_latest = latest.request.attempt.started_at == pending.started_at
        return latest if is_latest and latest.request.attempt.ref == execution.ref else None

    def take(self, execution: Execution, worker: str) -> Attempt:
        """Start the pending attempt on a worker."""
        self.activities.start(execution.ref)
        pending = self.pending(execution)
        assert pending is not None, "it has just begun"
        assert pending.started_at is not None, "it has just begun"
        request = factories.request(
            ref=execution.ref,
            attempt=pending.attempt,
            attempt_started_at=pending.started_at,
            task_token=self.activities.task_token(execution.ref),
            attempt_timeout_at=pending.attempt_timeout_at,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
        )
        id_ = CallbackId(f"cb_{next(self._numbers):04}")
        request = replace(request, id=id_, options=execution.options)
        process = self._process(f"attempt {pending.attempt} of {execution.ref.workflow_id}")
        attempt = Attempt(request, worker, process)
        process.begin(self._work(execution, attempt))
        execution.attempts.append(attempt)
        return attempt

    async def _work(self, execution: Execution, attempt: Attempt) -> None:
        gate, request = attempt.process.gate, attempt.request
        store, activities = self._ports(gate)
        opener = CallbackOpener(store, store, activities, clock=self.clock)
        try:
            async with run_services(opener):
                callback = await opener.open(request)
                attempt.callback_id = callback.id
                accepted = await opener.deliver_inline(
                    callback, request.attempt.started_at, worker=attempt.worker
                )
                if accepted is not None and execution.options.resume:
                    await opener.resumption.confirm(callback.id, request.attempt.number)
                    await self._continue(execution, attempt, accepted)
                elif accepted is not None:
                    await self._end_attempt(attempt, accepted)
                elif next_of(callback) is Next.POLL:
                    await self._poll(execution, attempt)
                    await self.report(attempt, store, activities)
                    attempt.is_waiting = True
                else:
                    await opener.mark_submitted(callback.id)
                    attempt.is_waiting = True
        except RingbackError:
            with suppress(TemporalUnreachableError):
                await self._at_return(attempt, STOPPED, None)

    async def _poll(self, execution: Execution, attempt: Attempt) -> None:
        """Poll the sender. Without a reply, that is an error."""
        assert attempt.callback_id is not None, "it is open"
        made = self.truth.polls.made[attempt.callback_id]

        async def ask() -> Report:
            made.append(self.clock.now())
            return execution.sender_says.popleft() if execution.sender_says else NOT_YET

        try:
            attempt.report = await attempt.process.gate.call(
                "ask the sender", ask, TemporalUnreachableError("lost")
            )
        except TemporalUnreachableError:
            made.append(self.clock.now())
            attempt.report = None, "OSError"

    async def report(self, attempt: Attempt, store: Store, activities: Temporal) -> None:
        """Report what an attempt's poll found."""
        assert attempt.callback_id is not None, "it is open"
        assert attempt.report is not None, "it has polled"
        answer, error = attempt.report
        answer_service = factories.answer_service(
            store, activities, new_outcome_id=self._new_outcome_id
        )
        async with run_services(answer_service):
            await PollReports(store, answer_service).report(
                attempt.callback_id, attempt.request.attempt.number, answer=answer, error=error
            )
        if answer is not None:
            self.truth.polls.reported.add(attempt.callback_id)
            await self.look()

    async def _end_attempt(self, attempt: Attempt, accepted: Accepted) -> None:
        assert not isinstance(accepted.outcome, Canceled), "cancellations are never inline"
        await self._at_return(attempt, accepted.outcome, accepted)

    async def _continue(self, execution: Execution, attempt: Attempt, accepted: Accepted) -> None:
        """Run the code behind the wait."""
        outcome = accepted.outcome
        assert not isinstance(outcome, Canceled), "cancellations are never inline"
        with self.truth.recorded():
            self.truth.note_continued(accepted.id)
        attempt.continues = True
        behind, execution.behind = execution.behind, "result"
        own: dict[str, Completed | Failed] = {"result": OWN_RESULT, "failure": STOPPED}
        source = to_identity(accepted.id) if behind == "answer" else ""
        await self._at_return(attempt, own.get(behind, outcome), None, source)

    async def _at_return(
        self,
        attempt: Attempt,
        outcome: Completed | Failed,
        accepted: Accepted | None,
        source: str = "",
    ) -> None:
        async def make() -> None:
            token = attempt.request.attempt.task_token
            assert token is not None, "every attempt has one"
            signed = source if accepted is None else to_identity(accepted.id)
            with suppress(ActivityGoneError):
                await self._return(token, outcome, attempt.worker, signed, accepted)

        await attempt.process.gate.call("return", make, TemporalUnreachableError("lost"))

    async def _return(
        self,
        token: bytes,
        outcome: Completed | Failed,
        worker: str,
        source: str,
        accepted: Accepted | None,
    ) -> None:
        async def taking() -> None:
            self.activities.return_from(token, outcome, identity=worker, source=source)

        if accepted is None:
            await taking()
        else:
            await self._note_effect(accepted, worker, taking())
