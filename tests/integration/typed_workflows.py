"""Workflows that read what an activity returns, and tell what they read."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from ringback import Decision
    from tests.unit.result_schema.types_and_json import Invoice, Receipt


@workflow.defn
class ReadInvoice:
    """Reads the activity's result as a pydantic model."""

    @workflow.run
    async def run(self) -> str:
        invoice = await workflow.execute_activity(
            "ask", result_type=Invoice, start_to_close_timeout=timedelta(seconds=30)
        )
        return f"{type(invoice).__name__} over {invoice.total}"


@workflow.defn
class ReadDecision:
    """Reads a decision, and its form as a dataclass or a pydantic model."""

    @workflow.run
    async def run(self, form: str) -> list[Any]:
        decision = await workflow.execute_activity(
            "ask", result_type=Decision, start_to_close_timeout=timedelta(seconds=30)
        )
        if decision.form is None:
            return [decision.approved, decision.reason, decision.is_default]
        filled = decision.form_as(Invoice if form == "Invoice" else Receipt)
        (vote,) = decision.votes
        return [decision.approved, filled.cents, vote.by, str(vote.at.tzinfo)]


@workflow.defn
class Measure:
    """Tells how long the activity's result is, or what ended it."""

    @workflow.run
    async def run(self, attempts: int) -> list[Any]:
        try:
            text: str = await workflow.execute_activity(
                "ask",
                result_type=str,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=RetryPolicy(
                    maximum_attempts=attempts, initial_interval=timedelta(milliseconds=100)
                ),
            )
        except ActivityError as exc:
            return _told(exc.cause)
        return [len(text)]


def _told(failure: BaseException | None) -> list[Any]:
    assert isinstance(failure, ApplicationError)
    details = [len(one) if isinstance(one, str) else one for one in failure.details]
    return [failure.type, failure.message, failure.non_retryable, *details]
