"""The workflow: it asks the questions of its script, and returns what it received."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TimedOutError

from chaos.script import Question, Received, Script

IN_THREAD = "ask_in_thread"
RESUMED = "ask_and_continue"
ASK = "ask"
DECIDE = "decide"


@workflow.defn
class Ask:
    """Asks its questions one after another, or concurrently."""

    @workflow.run
    async def run(self, script: Script) -> list[Received]:
        """Return what was received for each question."""
        if script.at_once:
            asked = (_ask(question, script) for question in script.questions)
            return list(await asyncio.gather(*asked))
        return [await _ask(question, script) for question in script.questions]


async def _ask(question: Question, script: Script) -> Received:
    kinds = workflow.ActivityCancellationType
    heartbeat = question.heartbeat
    wait = timedelta(seconds=question.retry_after)
    try:
        answer: dict[str, Any] = await workflow.execute_activity(
            _activity_of(question),
            question,
            activity_id=question.activity_id,
            result_type=dict,
            start_to_close_timeout=timedelta(seconds=question.start_to_close),
            schedule_to_close_timeout=timedelta(seconds=question.schedule_to_close),
            heartbeat_timeout=None if heartbeat is None else timedelta(seconds=heartbeat),
            retry_policy=RetryPolicy(
                initial_interval=wait,
                maximum_interval=wait * 2,
                maximum_attempts=question.maximum_attempts,
            ),
            cancellation_type=kinds.WAIT_CANCELLATION_COMPLETED
            if script.awaits_cancellation
            else kinds.TRY_CANCEL,
        )
    except ActivityError as exc:
        return Received(question.key, *_explain(exc.cause))
    return Received(question.key, "completed", json.dumps(answer))


def _activity_of(question: Question) -> str:
    if question.is_voted:
        return DECIDE
    if question.resumes:
        return RESUMED
    return IN_THREAD if question.in_thread else ASK


def _explain(cause: BaseException | None) -> tuple[str, str]:
    match cause:
        case ApplicationError(message=message):
            return "failed", message
        case CancelledError(details=details):
            return "canceled", json.dumps(list(details))
        case TimedOutError():
            return "timed out", ""
        case _:
            return type(cause).__name__, str(cause)
