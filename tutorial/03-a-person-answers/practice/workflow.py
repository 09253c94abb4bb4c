"""A Workflow that waits for a person's decision, and the Activity that asks for it."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, exceptions, workflow

import ringback

TASK_QUEUE = "tutorial-03"
WORKFLOW_ID = "tutorial-03-order"


@dataclass
class Order:
    """What a person decides on."""

    id: str
    euros: int


@dataclass
class Approval:
    """What the person answers."""

    approved: bool
    by: str | None = None
    reason: str | None = None


@activity.defn
async def approve(order: Order) -> Approval:
    """Ask a person, and leave the answer to them."""

    async def submit(callback: ringback.Callback) -> None:
        """Tell the person what to decide on; here the Worker's log has to do."""
        activity.logger.info("Order %s over %d euros waits: %s", order.id, order.euros, callback.id)

    # PART A: wait for the person's answer.
    # TODO PART A: return what ringback.wait_for_callback() returns. Give it submit, the type
    # Approval, and a title.
    return Approval(approved=True, by="nobody, for nobody was asked")
    # END PART A


@workflow.defn
class OrderWorkflow:
    """Asks once, and waits for up to a day."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Return what was decided."""
        try:
            approval = await workflow.execute_activity(
                approve, order, start_to_close_timeout=timedelta(hours=24)
            )
        except exceptions.ActivityError as error:
            return f"no decision: {error.cause}"
        # PART B: tell a no from a yes.
        # TODO PART B: if the answer is not approved, return "approval denied: " and the reason.
        # Without this, the Workflow takes a no for a yes.
        # END PART B
        return f"order {order.id} approved by {approval.by}"
