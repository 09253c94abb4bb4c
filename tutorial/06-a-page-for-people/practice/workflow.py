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
    # TODO PART B: return the options "assignees", ["group:finance"], "exclude", a list with the
    # one who requested the order, and "approvals", which is 2.
    return {"tags": [order.id]}
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
    # TODO PART A: return what ringback.wait_for_decision() returns. Give it the subject, the form
    # Budget, and the options that rules() returns.
    return ringback.Decision(approved=True, reason=f"nobody was asked about {subject.title}")
    # END PART A


def explain(decision: ringback.Decision) -> str:
    """Return in a sentence what people decided."""
    # PART C: read the decision.
    # TODO PART C: say who rejected it, and why. If it was approved, name all voters, and the cost
    # centre of the form.
    return str(decision)
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
