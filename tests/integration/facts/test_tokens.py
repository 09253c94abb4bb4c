"""A task token is an unsigned message that anyone can forge, so no token may leave the gateway."""

from collections.abc import Mapping

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from tests.integration.facts.answers import (
    GONE_BY_TOKEN,
    ByToken,
    payloads,
    raw_refusals,
    refusal,
)
from tests.integration.facts.env import Attempt, Env

pytestmark = [pytest.mark.server, pytest.mark.thorough]

NAMESPACE, WORKFLOW, RUN, SCHEDULED, ATTEMPT, ACTIVITY, TYPE = 1, 2, 3, 4, 5, 6, 8


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    head = bytes([number & 127 | (128 if number > 127 else 0)])
    return head + varint(number >> 7) if number > 127 else head


def token(fields: Mapping[int, str | int]) -> bytes:
    """Return a message with these fields."""
    written = b""
    for number, value in fields.items():
        if isinstance(value, int):
            written += varint(number << 3) + varint(value)
        else:
            written += varint(number << 3 | 2) + varint(len(value)) + value.encode()
    return written


async def knowledge_of(attempt: Attempt) -> dict[int, str | int]:
    """Return what a reader of the namespace and the workflow's history can learn."""
    client = attempt.client
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    handle = client.get_workflow_handle(attempt.info.workflow_id or "")
    (scheduled,) = [
        event.event_id
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return {
        NAMESPACE: described.namespace_info.id,
        WORKFLOW: attempt.info.workflow_id or "",
        RUN: attempt.info.workflow_run_id or "",
        SCHEDULED: scheduled,
        ATTEMPT: attempt.info.attempt,
        ACTIVITY: attempt.info.activity_id,
    }


def forged(attempt: Attempt, known: Mapping[int, str | int], *fields: int) -> ByToken:
    """Return requests by a token that has only these fields."""
    return ByToken(attempt, task_token=token({number: known[number] for number in fields}))


async def test_a_token_says_in_the_clear_what_it_opens(env: Env) -> None:
    _, attempt = await env.ask()
    known = await knowledge_of(attempt)

    assert attempt.info.task_token.startswith(token({**known, TYPE: "ask"}))


@pytest.mark.parametrize(
    "fields",
    [
        (NAMESPACE, WORKFLOW, RUN, SCHEDULED, ATTEMPT),
        (NAMESPACE, WORKFLOW, SCHEDULED, ATTEMPT),
        (NAMESPACE, WORKFLOW, ACTIVITY),
        (NAMESPACE, WORKFLOW, RUN, ACTIVITY),
    ],
    ids=["as the server writes it", "without a run", "by id without a run", "by id"],
)
async def test_a_token_that_was_written_by_hand_ends_the_activity(
    env: Env, fields: tuple[int, ...]
) -> None:
    question, attempt = await env.ask()
    forgery = forged(attempt, await knowledge_of(attempt), *fields)

    await forgery.heartbeat()
    await forgery.complete(payloads(b'"forged"'))

    assert await question.result() == "forged"


async def test_a_token_with_a_wrong_attempt_fits_only_where_the_activity_s_id_stands_alone(
    env: Env,
) -> None:
    question, attempt = await env.ask()
    known = {**await knowledge_of(attempt), ATTEMPT: 7}

    fenced = forged(attempt, known, NAMESPACE, WORKFLOW, RUN, SCHEDULED, ATTEMPT)
    unfenced = forged(attempt, known, NAMESPACE, WORKFLOW, ATTEMPT, ACTIVITY)

    assert await raw_refusals(fenced) == {GONE_BY_TOKEN}
    await unfenced.complete(payloads(b'"forged"'))
    assert await question.result() == "forged"


async def test_a_token_of_one_workflow_edited_to_another_ends_the_other_s_activity(
    env: Env,
) -> None:
    (own, mine), (other, theirs) = await env.ask(), await env.ask()
    edited = mine.info.task_token
    for ours, victims in (
        (own.handle.id, other.handle.id),
        (own.execution.run_id, other.execution.run_id),
    ):
        edited = edited.replace(ours.encode(), victims.encode())

    await ByToken(mine, task_token=edited).complete(payloads(b'"stolen"'))

    assert await other.result() == "stolen"
    assert len((await own.describe()).pending_activities) == 1
    assert await refusal(theirs.by_token.complete("mine")) in {
        GONE_BY_TOKEN,
        (RPCStatusCode.NOT_FOUND, "workflow execution already completed"),
    }


async def test_a_token_that_was_cut_short_may_still_open_its_activity(env: Env) -> None:
    question, attempt = await env.ask()
    whole = attempt.info.task_token
    statuses = set()

    for length in range(1, len(whole)):
        try:
            await ByToken(attempt, task_token=whole[:length]).heartbeat()
            statuses.add(RPCStatusCode.OK)
        except RPCError as error:
            statuses.add(error.status)

    assert statuses >= {RPCStatusCode.OK, RPCStatusCode.INVALID_ARGUMENT}
    assert len((await question.describe()).pending_activities) == 1
