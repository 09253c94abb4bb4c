"""A call that nobody can be asked about is a no for the model, at once."""

import json
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from ringback import Callback
from ringback.agents import ToolCall, approvals
from ringback.agents.activity import NOT_ASKED
from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env, saw
from tests.integration.agents.plain_agent import PlainAgent
from tests.integration.agents.refunds import refund

pytestmark = pytest.mark.server

CALL = {"order": "o1", "euros": 50}


async def test_arguments_that_no_message_can_show_are_a_no(
    temporal_address: str, settings: Settings
) -> None:
    async with (
        agent_env(temporal_address, settings, "ringback.agents.ask") as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start({"order": "o" * 17_000, "euros": 50})
        (told,) = await saw(handle)

        assert env.asked.empty()
    assert json.loads(told)["approved"] is False
    assert json.loads(told)["reason"].startswith("nobody can be asked: ")
    assert "16384" in json.loads(told)["reason"]


async def test_time_that_no_timeout_can_have_is_a_no(
    temporal_address: str, settings: Settings
) -> None:
    async with (
        agent_env(temporal_address, settings, "ringback.agents.ask") as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start(CALL, seconds=timedelta.max.total_seconds() - 1)
        (told,) = await saw(handle)

        assert env.asked.empty()
    assert "at most 3650 days" in json.loads(told)["reason"]


async def test_schema_that_the_gateway_cannot_check_leaves_a_yes_without_changes(
    temporal_address: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        agent_env(temporal_address, settings, "ringback.agents.ask") as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start(CALL, schema={"patternProperties": {"^(?!x)": {}}})
        _, callback = await env.question()
        edit = {"approved": True, "form": {"order": "o1", "euros": 5_000}}
        refused = await env.send(callback, edit)
        await env.send(callback, {"approved": True})

        assert (refused.status_code, "no form is asked for" in refused.text) == (422, True)
        assert await saw(handle) == ["refunded o1 50"]
    warnings = [
        one.getMessage() for one in caplog.records if one.name.startswith("ringback.agents")
    ]
    assert len(warnings) == 1
    assert "nobody can change the arguments of a call: refund: " in warnings[0]
    assert "look-around" in warnings[0]


async def test_error_of_submit_does_not_reach_the_model(
    temporal_address: str, settings: Settings
) -> None:
    async def submit(_: ToolCall, callback: Callback) -> None:
        raise ApplicationError(callback.url, non_retryable=True)

    async with (
        agent_env(temporal_address, settings, "ringback.agents.ask") as env,
        Worker(
            env.client,
            task_queue=env.task_queue,
            workflows=[PlainAgent],
            activities=[refund, approvals(submit)],
        ),
    ):
        (told,) = await saw(await env.start(CALL))

    assert json.loads(told) == {"approved": False, "reason": NOT_ASKED}


async def test_worker_without_the_plugin_says_so(client: Client, unique: str) -> None:
    async with Worker(
        client, task_queue=unique, workflows=[PlainAgent], activities=[refund, approvals()]
    ):
        (told,) = json.loads(
            await client.execute_workflow(
                PlainAgent.run,
                args=[json.dumps({"calls": [CALL]}), 60],
                id=unique,
                task_queue=unique,
                execution_timeout=timedelta(seconds=30),
            )
        )

    assert "nobody can be asked: " in told
    assert "RingbackPlugin" in told
