"""Which call ended an activity, and what a caller knows that got no reply."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.api.history.v1 import ActivityTaskTimedOutEventAttributes
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCStatusCode

from tests.integration.facts.answers import (
    GONE_BY_TOKEN,
    ById,
    ByToken,
    Refusal,
    failure,
    refusal,
    until_asked_to_cancel,
)
from tests.integration.facts.env import Attempt, Env, until
from tests.integration.facts.wire import Wire
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]


@pytest.fixture
def wire(temporal_address: str) -> Wire:
    return Wire(temporal_address)


@pytest.fixture
async def far_client(wire: Wire) -> AsyncIterator[Client]:
    """A client at the other end of the wire."""
    async with wire.open() as address:
        yield await Client.connect(address)


@pytest.mark.parametrize("by", [ById, ByToken], ids=["id", "token"])
async def test_history_keeps_the_identity_of_each_call_that_ended_an_activity(
    env: Env, by: type[ById | ByToken]
) -> None:
    (completed, one), (failed, two), (canceled, three) = await asyncio.gather(
        env.ask(workflow=AskAndStay),
        env.ask(Asking(maximum_attempts=1), workflow=AskAndStay),
        env.ask(workflow=AskAndStay),
    )
    await canceled.handle.cancel()
    await until_asked_to_cancel(by(three))

    await by(one, "call 1").complete()
    await by(two, "call 2").fail(failure(source="written by 2"))
    await by(three, "call 3").cancel()

    (event,) = await completed.events("activity_task_completed")
    assert event.identity == "call 1"
    (event,) = await failed.events("activity_task_failed")
    assert (event.identity, event.failure.source) == ("call 2", "written by 2")
    (event,) = await canceled.events("activity_task_canceled")
    assert event.identity == "call 3"


async def test_a_refused_repeat_leaves_the_identity_of_the_first(env: Env) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await ById(attempt, "the first").complete()

    await refusal(ById(attempt, "the second").complete())

    (event,) = await question.events("activity_task_completed")
    assert event.identity == "the first"


def test_the_event_of_a_time_out_has_no_room_for_an_identity() -> None:
    assert "identity" not in ActivityTaskTimedOutEventAttributes.DESCRIPTOR.fields_by_name


async def test_not_found_may_mean_that_one_s_own_call_was_applied_and_its_answer_lost(
    env: Env, wire: Wire, far_client: Client
) -> None:
    question, near = await env.ask(workflow=AskAndStay)
    far = Attempt(far_client, near.info)

    async def lose_the_answer() -> None:
        await question.until_over()
        wire.cut()

    wire.mute()
    answer, _ = await asyncio.gather(refusal(far.by_token.complete("applied")), lose_the_answer())

    assert answer == GONE_BY_TOKEN
    (event,) = await question.events("activity_task_completed")
    assert event.result.payloads[0].data == b'"applied"'


async def test_a_connection_that_breaks_under_a_call_does_not_show_whether_it_was_applied(
    env: Env, wire: Wire, far_client: Client
) -> None:
    question, near = await env.ask(workflow=AskAndStay)
    far = Attempt(far_client, near.info)

    async def lose_the_answer() -> None:
        await question.until_over()
        wire.cut()

    wire.mute()
    answer, _ = await asyncio.gather(refusal(ById(far).complete(retry=False)), lose_the_answer())

    assert answer == Refusal(RPCStatusCode.UNKNOWN, "transport error")
    assert len(await question.events("activity_task_completed")) == 1


async def test_a_call_that_got_no_answer_in_its_time_is_canceled_and_may_have_been_applied(
    env: Env, wire: Wire, far_client: Client
) -> None:
    question, near = await env.ask()
    far = Attempt(far_client, near.info)

    wire.mute()
    answer = await refusal(far.by_id.complete("applied", rpc_timeout=timedelta(milliseconds=500)))

    assert answer == Refusal(RPCStatusCode.CANCELLED, "Timeout expired")
    assert await question.result() == "applied"


async def test_a_client_whose_server_went_away_finds_it_unavailable_in_the_end(wire: Wire) -> None:
    async with wire.open() as address:
        client = await Client.connect(address)

    async def call() -> Refusal:
        return await refusal(
            client.workflow_service.get_system_info(GetSystemInfoRequest(), retry=False)
        )

    # A connection that breaks under a call is something else first: UNKNOWN, "transport error".
    await until(call, lambda answer: answer.status == RPCStatusCode.UNAVAILABLE)


async def test_a_lazy_client_fails_otherwise_until_its_server_is_there(wire: Wire) -> None:
    async with wire.open() as address:
        pass
    client = await Client.connect(address, lazy=True)

    with pytest.raises(RuntimeError, match="Failed client connect"):
        await client.workflow_service.get_system_info(GetSystemInfoRequest())

    async with wire.open(int(address.rpartition(":")[2])):
        answer = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    assert answer.server_version
