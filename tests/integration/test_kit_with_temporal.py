"""The kit beside a real Temporal server shows the same as without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from ringback import Callback, Decision, Subject, wait_for_callback, wait_for_decision
from ringback.domain.errors import GatewayRefusedError
from ringback.testing import GatewayTestEnvironment, gateway_environment

pytestmark = pytest.mark.server

TOML = """
[sources.stripe]
provider = "stripe"
secrets = ["env:STRIPE_SECRET"]

[[sources.stripe.rules]]
key = "id"
action = "complete"
result = "{id: id}"
"""


@dataclass
class Receipt:
    id: str


@dataclass
class Plan:
    """What the activity asks for."""

    alias: str | None = None
    follow_reset: bool = False


class Bank:
    """The service that the activity calls."""

    def __init__(self) -> None:
        self.links: list[str] = []

    @activity.defn
    async def charge(self, plan: Plan) -> Receipt:
        async def submit(callback: Callback) -> None:
            self.links.append(callback.url)

        aliases = [] if plan.alias is None else [plan.alias]
        return await wait_for_callback(
            submit, Receipt, aliases=aliases, follow_reset=plan.follow_reset
        )


@activity.defn
async def approve(_: Plan) -> Decision:
    return await wait_for_decision(Subject("An order"), assignees=["user:ann", "user:bob"])


@workflow.defn(sandboxed=False)
class RunOne:
    """Runs one activity by its name."""

    @workflow.run
    async def run(self, name: str, plan: Plan) -> Any:
        return await workflow.execute_activity(
            name,
            plan,
            schedule_to_close_timeout=timedelta(minutes=1),
            start_to_close_timeout=timedelta(seconds=50),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=300)),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
async def kit(client: Client, bank: Bank) -> AsyncIterator[GatewayTestEnvironment]:
    async with (
        gateway_environment(client, sources=TOML) as kit,
        kit.worker(workflows=[RunOne], activities=[bank.charge, approve]),
    ):
        yield kit


async def start(
    kit: GatewayTestEnvironment, name: str = "charge", plan: Plan | None = None
) -> WorkflowHandle[Any, Any]:
    return await kit.client.start_workflow(
        RunOne.run,
        args=[name, plan or Plan()],
        id=f"{kit.task_queue}-{name}",
        task_queue=kit.task_queue,
    )


async def cause_of(order: WorkflowHandle[Any, Any]) -> BaseException | None:
    with pytest.raises(WorkflowFailureError) as failed:
        await order.result()
    assert isinstance(failed.value.cause, ActivityError)
    return failed.value.cause.cause


async def latest(kit: GatewayTestEnvironment, order: WorkflowHandle[Any, Any]) -> Any:
    """Return the result of the latest run, which a reset has started."""
    return await kit.client.get_workflow_handle(order.id).result()


@pytest.mark.parametrize("when", ["before submit", "during submit"])
async def test_early_answer_is_the_result(
    kit: GatewayTestEnvironment, bank: Bank, when: Any
) -> None:
    receipt = kit.answer_next(Receipt("r-81"), when=when)
    order = await start(kit)

    assert await order.result() == {"id": "r-81"}
    assert not (await receipt).duplicate
    # An answer before `submit` may end the activity before the worker calls it.
    assert len(bank.links) <= 1


@pytest.mark.parametrize("when", ["now", "between attempts", "while paused", "after a reset"])
async def test_answer_at_any_moment_is_the_result(
    kit: GatewayTestEnvironment, bank: Bank, when: Any
) -> None:
    order = await start(kit)
    await kit.answer(Receipt("r-81"), when=when)

    assert await order.result() == {"id": "r-81"}
    assert len(bank.links) == 1


async def test_link_follows_a_reset_of_the_workflow_if_the_activity_says_so(
    kit: GatewayTestEnvironment,
) -> None:
    order = await start(kit, plan=Plan(follow_reset=True))
    await kit.answer(Receipt("r-81"), when="after a workflow reset")

    assert await latest(kit, order) == {"id": "r-81"}


async def test_link_of_before_a_workflow_reset_is_refused_otherwise(
    kit: GatewayTestEnvironment,
) -> None:
    order = await start(kit)
    with pytest.raises(GatewayRefusedError) as refused:
        await kit.answer(Receipt("r-81"), when="after a workflow reset")
    await kit.answer(Receipt("r-82"))

    assert refused.value.status == 410
    assert await latest(kit, order) == {"id": "r-82"}


async def test_second_answer_is_a_duplicate_or_a_conflict(kit: GatewayTestEnvironment) -> None:
    order = await start(kit)
    callback = await kit.callback(workflow_id=order.id)
    first, second = await callback.answer_twice(Receipt("r-81"))
    refused = await callback.answer_differently(Receipt("r-81"), Receipt("r-82"))

    assert (first.duplicate, second.duplicate, refused.status) == (False, True, 409)
    assert await order.result() == {"id": "r-81"}


async def test_answer_after_the_end_is_too_late(kit: GatewayTestEnvironment) -> None:
    order = await start(kit)
    refused = await (await kit.callback()).answer_late(Receipt("r-81"))

    assert refused.status == 410
    assert isinstance(await cause_of(order), TemporalTimeoutError)


async def test_failure_of_the_sender_is_the_cause(kit: GatewayTestEnvironment) -> None:
    order = await start(kit)
    await kit.fail("declined", type="Declined", non_retryable=True)

    cause = await cause_of(order)
    assert isinstance(cause, ApplicationError)
    assert cause.type == "Declined"


async def test_sender_reports_a_cancellation_of_the_workflow(kit: GatewayTestEnvironment) -> None:
    order = await start(kit)
    await kit.cancel()

    with pytest.raises(WorkflowFailureError) as failed:
        await order.result()
    assert isinstance(failed.value.cause, CancelledError)


async def test_person_decides(kit: GatewayTestEnvironment) -> None:
    order = await start(kit, "approve")
    await kit.decide(approved=False, by="bob", reason="too much", activity_type="approve")

    decision = await order.result()
    assert (decision["approved"], decision["by"]) == (False, "bob")


async def test_event_of_a_provider_answers(kit: GatewayTestEnvironment) -> None:
    order = await start(kit, plan=Plan(alias=f"evt-{kit.task_queue}"))
    await kit.callback(alias=f"evt-{kit.task_queue}")
    await kit.send_event("stripe", {"id": f"evt-{kit.task_queue}"})

    assert await order.result() == {"id": f"evt-{kit.task_queue}"}


@asynccontextmanager
async def both(client: Client) -> AsyncIterator[list[GatewayTestEnvironment]]:
    async with gateway_environment(client) as one, gateway_environment(client) as other:
        yield [one, other]


async def test_two_environments_share_nothing(client: Client, bank: Bank) -> None:
    async with both(client) as kits:
        one, other = kits
        async with one.worker(workflows=[RunOne], activities=[bank.charge]):
            await start(one)
            await one.callback()
            with pytest.raises(AssertionError, match="open: none"):
                await other.callback(within=timedelta(milliseconds=1))
            await one.answer(Receipt("r-81"))


async def test_wait_in_vain_names_the_task_queue_of_the_missing_worker(client: Client) -> None:
    async with gateway_environment(client) as env:
        with pytest.raises(AssertionError, match=f"worker of the task queue '{env.task_queue}'"):
            await env.callback(within=timedelta(milliseconds=1))
