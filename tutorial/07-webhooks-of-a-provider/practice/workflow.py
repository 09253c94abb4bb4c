"""A Workflow that charges a customer, and the Activity that waits for the provider's webhook."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, exceptions, workflow

import ringback

TASK_QUEUE = "tutorial-07"


@dataclass
class Payment:
    """What a rule in `ringback.toml` makes of the provider's event."""

    intent: str
    cents: int


async def create_payment(order: str, key: str) -> str:
    """Return the id of a payment, as the provider would: for the same `key` the same payment."""
    activity.logger.info("Order %s: payment with the key %s", order, key)
    return f"pi_{order}"


@activity.defn
async def charge(order: str) -> Payment:
    """Create a payment, and leave the result to the provider's webhook."""

    async def submit(callback: ringback.Callback) -> None:
        intent = await create_payment(order, callback.id)
        # PART A: let the provider's own id lead to this callback.
        # TODO PART A: await callback.add_alias() with the text stripe: and the intent.
        # END PART A
        activity.logger.info("Order %s: the customer can pay %s", order, intent)

    # PART A: wait for the webhook.
    # TODO PART A: return what ringback.wait_for_callback() returns. Give it submit, the result type
    # Payment, and a title that names the order.
    return Payment("the provider was not asked", 0)
    # END PART A


@workflow.defn
class ChargeWorkflow:
    """Charges once, and waits for up to a day."""

    @workflow.run
    async def run(self, order: str) -> str:
        """Return how the payment ended."""
        try:
            payment = await workflow.execute_activity(
                charge, order, schedule_to_close_timeout=timedelta(hours=24)
            )
        except exceptions.ActivityError as error:
            cause = error.cause
            # PART C: decide by the code of the bank.
            # TODO PART C: if the cause is an ApplicationError of the type expired_card, return
            # "ask for another card: " and its message.
            # END PART C
            return f"not paid: {cause}"
        return f"paid {payment.cents} cents with {payment.intent}"
