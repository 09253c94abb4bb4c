"""A model that gives two calls of one message the same id gets no yes for both."""

import json
from datetime import timedelta
from typing import Any

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


async def test_no_yes_of_pydantic_ai_is_for_two_calls_with_one_id() -> None:
    """Its versions that let them through keep one decision for each id."""
    # The environment of the other frameworks reads this module too, and lacks Pydantic AI.
    from pydantic_ai import DeferredToolRequests  # noqa: PLC0415 - see above
    from pydantic_ai.messages import ToolCallPart  # noqa: PLC0415 - see above

    from ringback.agents.pydantic_ai import Approvals  # noqa: PLC0415 - see above

    calls = [ToolCallPart("refund", {"order": order}, "a") for order in ("o1", "o2")]
    requests: Any = DeferredToolRequests(approvals=calls)
    context: Any = None

    results = await Approvals(within=timedelta(minutes=1)).handle_deferred_tool_calls(
        context, requests=requests
    )

    assert results is not None
    (denied,) = results.approvals.values()
    assert "several calls at once have the same id" in str(denied)
