"""The solutions that use the gateway, tested as their learners would test them: with the kit.

What their programs print is tested beside this file; here are the cases that need no program.
"""

import importlib.util
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner

from ringback import Decision
from ringback.domain.errors import GatewayRefusedError
from ringback.testing import (
    ActivityTestEnvironment,
    GatewayTestEnvironment,
    activity_environment,
    gateway_environment,
)
from tests.tutorial.exercises import TUTORIAL

WEBHOOKS = TUTORIAL / "07-webhooks-of-a-provider" / "solution"


def load(exercise: str) -> Any:
    """Import the workflow file of a solution."""
    name = f"solution_{exercise[:2]}"
    path = TUTORIAL / exercise / "solution" / "workflow.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    # Annotations are resolved there.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


person = load("03-a-person-answers")
page = load("06-a-page-for-people")
webhooks = load("07-webhooks-of-a-provider")

ORDER = page.Order("17", "40 office chairs", 4_000, "ann")
BUDGET = page.Budget("K1", monthly=False)


def event_of(kind: str, **facts: object) -> dict[str, object]:
    """Return an event as Stripe sends it."""
    return {"type": f"payment_intent.{kind}", "data": {"object": {"id": "pi_17", **facts}}}


@pytest.fixture
async def env() -> AsyncIterator[ActivityTestEnvironment]:
    async with activity_environment(sources=WEBHOOKS / "ringback.toml") as env:
        yield env


@pytest.fixture
async def kit(client: Client) -> AsyncIterator[GatewayTestEnvironment]:
    async with gateway_environment(client, sources=WEBHOOKS / "ringback.toml") as kit:
        yield kit


async def result_of(
    kit: GatewayTestEnvironment, workflow: Any, activity: Any, given: object
) -> Any:
    """Start a workflow whose answer has come already, or comes now."""
    runner = UnsandboxedWorkflowRunner()
    async with kit.worker(workflows=[workflow], activities=[activity], workflow_runner=runner):
        return await kit.client.execute_workflow(
            workflow.run, given, id=kit.task_queue, task_queue=kit.task_queue
        )


async def test_person_sees_what_to_approve(env: ActivityTestEnvironment) -> None:
    run = env.start(person.approve, person.Order("17", 250))
    callback = await env.callback(title="Order 17 over 250 euros")
    await callback.answer(person.Approval(approved=True, by="ann"))

    assert await run.result() == person.Approval(approved=True, by="ann")


@pytest.mark.server
@pytest.mark.parametrize(
    ("approval", "said"),
    [
        ({"approved": True, "by": "ann"}, "order 17 approved by ann"),
        ({"approved": False, "reason": "too expensive"}, "approval denied: too expensive"),
        (ApplicationError("nobody is here", non_retryable=True), "no decision: nobody is here"),
    ],
    ids=["yes", "no", "failure"],
)
async def test_workflow_says_what_the_person_answered(
    kit: GatewayTestEnvironment, approval: object, said: str
) -> None:
    kit.answer_next(approval, when="during submit")

    given = person.Order("17", 250)
    assert await result_of(kit, person.OrderWorkflow, person.approve, given) == said


async def test_two_people_of_finance_approve(env: ActivityTestEnvironment) -> None:
    run = env.start(page.approve, ORDER)
    callback = await env.callback(title="Order 17: 40 office chairs")
    await callback.decide(by="bob", groups=["finance"], form=BUDGET)
    await callback.decide(by="carl", groups=["finance"], form=BUDGET)

    assert page.explain(await run.result()) == "approved by bob and carl, cost centre K1"


async def test_requester_may_not_approve(env: ActivityTestEnvironment) -> None:
    env.start(page.approve, ORDER)
    callback = await env.callback()
    with pytest.raises(GatewayRefusedError, match="you may not decide this yourself") as refused:
        await callback.decide(by="ann", groups=["finance"], form=BUDGET)

    assert refused.value.status == 403


async def test_approval_needs_the_form(env: ActivityTestEnvironment) -> None:
    env.start(page.approve, ORDER)
    callback = await env.callback()
    with pytest.raises(GatewayRefusedError) as refused:
        await callback.decide(by="bob", groups=["finance"])

    assert refused.value.status == 422


async def test_one_rejection_is_a_result(env: ActivityTestEnvironment) -> None:
    no = Decision(approved=False, reason="too expensive")

    decision = await env.run(page.approve, ORDER, answer=no)

    assert page.explain(decision) == "rejected by somebody@example.org: too expensive"


async def test_event_of_a_payment_completes_the_charge(env: ActivityTestEnvironment) -> None:
    run = env.start(webhooks.charge, "17")
    await env.callback(alias="stripe:pi_17")
    await env.send_event("stripe", event_of("succeeded", amount_received=4200))

    assert await run.result() == webhooks.Payment("pi_17", 4200)


async def test_event_that_comes_first_completes_the_charge(env: ActivityTestEnvironment) -> None:
    await env.send_event("stripe", event_of("succeeded", amount_received=4200))
    run = env.start(webhooks.charge, "17")

    assert await run.result() == webhooks.Payment("pi_17", 4200)


EXPIRED = {"message": "Your card has expired.", "decline_code": "expired_card"}


async def test_event_of_a_declined_payment_fails_the_charge(env: ActivityTestEnvironment) -> None:
    run = env.start(webhooks.charge, "17")
    await env.callback()
    await env.send_event("stripe", event_of("payment_failed", last_payment_error=EXPIRED))

    with pytest.raises(ActivityError) as failed:
        await run.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert (failed.value.cause.type, failed.value.cause.non_retryable) == ("expired_card", True)
    assert run.attempts == 1


@pytest.mark.server
async def test_workflow_asks_for_another_card(kit: GatewayTestEnvironment) -> None:
    await kit.send_event("stripe", event_of("payment_failed", last_payment_error=EXPIRED))

    said = await result_of(kit, webhooks.ChargeWorkflow, webhooks.charge, "17")

    assert said == "ask for another card: Your card has expired."
