"""A call that nobody can be asked about is a no for the model, at once."""

import json
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from ringback.agents import approvals
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
