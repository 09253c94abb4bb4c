"""A model that gives two calls of one message the same id gets no yes for both."""

import json

import pytest

from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env, failure, saw

pytestmark = [pytest.mark.server, pytest.mark.timeout(60), pytest.mark.thorough]

CALLS = [{"id": "a", "order": order, "euros": 50} for order in ("o1", "o2")]


@pytest.mark.parametrize("framework", ["ringback.agents.ask", "LangGraph"])
async def test_each_of_two_calls_with_one_id_gets_its_own_answer(
    temporal_address: str, settings: Settings, framework: str
) -> None:
    async with (
        agent_env(temporal_address, settings, framework) as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start(*CALLS)
        asked = [await env.question() for _ in CALLS]
        for call, callback in asked:
            is_first = call.arguments["order"] == "o1"
            await env.send(callback, {"approved": is_first, "reason": "no"})

        no = json.dumps({"approved": False, "reason": "no"})
        assert await saw(handle) == ["refunded o1 50", no]


@pytest.mark.parametrize(
    ("framework", "reason"),
    [
        ("OpenAI Agents", "reused a tool call ID"),
        ("Pydantic AI", "must have unique tool_call_id values"),
    ],
)
async def test_framework_that_refuses_two_calls_with_one_id_asks_nobody(
    temporal_address: str, settings: Settings, framework: str, reason: str
) -> None:
    async with (
        agent_env(temporal_address, settings, framework) as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start(*CALLS)

        assert reason in await failure(handle)
        assert env.asked.empty()
