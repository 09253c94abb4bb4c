"""A workflow that reads a decision, run in the SDK's sandbox."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

import ringback


@dataclass
class Budget:
    """What an approver fills in."""

    cost_centre: str
    euros: float


@activity.defn
async def approve() -> ringback.Decision:
    """Ask people; the inbox shows the question."""
    subject = ringback.Subject("Order 17", details={"euros": 250})
    return await ringback.wait_for_decision(subject, form=Budget, tags=["order"])


@workflow.defn
class Order:
    """Reads the decision and its form."""

    @workflow.run
    async def run(self) -> list[str]:
        decision = await workflow.execute_activity(
            approve, start_to_close_timeout=timedelta(seconds=60)
        )
        if not decision.approved:
            return ["rejected", str(decision.reason)]
        budget = decision.form_as(Budget)
        (vote,) = decision.votes
        return ["approved", budget.cost_centre, str(budget.euros), vote.by, str(vote.at.tzinfo)]
