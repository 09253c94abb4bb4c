"""A Workflow that waits for the decision of two people, and the Activity that asks them."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

import ringback

TASK_QUEUE = "tutorial-06"
WORKFLOW_ID = "tutorial-06-order"


@dataclass
class Order:
    """What people decide on."""

    id: str
    what: str
    euros: int
    requested_by: str


@dataclass
class Budget:
    """What people fill in when they approve."""

    cost_centre: str
    monthly: bool


def rules(order: Order) -> ringback.DecisionOptions:
    """Return who may decide, and how many must agree."""
    # PART B: two people of the group finance, and not the one who requested it.
    return {"assignees": ["group:finance"], "exclude": [order.requested_by], "approvals": 2}
    # END PART B


@activity.defn
async def approve(order: Order) -> ringback.Decision:
    """Ask people to approve or reject, and leave the decision to them."""
    subject = ringback.Subject(
        f"Order {order.id}: {order.what}",
        description="Two suppliers made an offer. **This one** is cheaper.",
        details={"euros": order.euros, "requested by": order.requested_by},
    )
    # PART A: ask people, with a form.
    return await ringback.wait_for_decision(subject, form=Budget, **rules(order))
    # END PART A


def explain(decision: ringback.Decision) -> str:
    """Return in a sentence what people decided."""
    # PART C: read the decision.
    if not decision.approved:
        return f"rejected by {decision.by}: {decision.reason}"
    voters = " and ".join(vote.by for vote in decision.votes)
    return f"approved by {voters}, cost centre {decision.form_as(Budget).cost_centre}"
    # END PART C


@workflow.defn
class OrderWorkflow:
    """Asks once, and waits for up to a day."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Return what was decided."""
        decision = await workflow.execute_activity(
            approve, order, start_to_close_timeout=timedelta(hours=24)
        )
        return explain(decision)
