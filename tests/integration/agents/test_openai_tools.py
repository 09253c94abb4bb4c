"""Tools of the OpenAI Agents SDK run with what people saw, and by the SDK's own rules."""

import json
from typing import Any

import pytest

from ringback.agents.approval import Approval, ToolCall
from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env, saw

pytestmark = [pytest.mark.server, pytest.mark.thorough, pytest.mark.timeout(60)]


def note(tool: str, arguments: dict[str, Any]) -> str:
    """Return the note about these changed arguments."""
    return str(Approval(ToolCall(tool, {}), "approved", arguments).note)


async def run(
    address: str, settings: Settings, tool: str, call: dict[str, Any], decision: dict[str, Any]
) -> Any:
    """Return what the model gets for a call that people decide on like this."""
    async with agent_env(address, settings, "OpenAI Agents") as env, env.worker(is_cached=True):
        handle = await env.start(call, tool=tool)
        _, callback = await env.question()
        assert (await env.send(callback, decision)).status_code == 200
        (told,) = await saw(handle)
        return told


async def test_tool_without_arguments_runs_though_the_model_left_them_empty(
    temporal_address: str, settings: Settings
) -> None:
    assert await run(temporal_address, settings, "ping", {}, {"approved": True}) == "pong"


async def test_changed_arguments_meet_the_guardrails_of_the_tool(
    temporal_address: str, settings: Settings
) -> None:
    edit = {"approved": True, "form": {"euros": 5_000}}

    told = await run(temporal_address, settings, "spend", {"euros": 50}, edit)

    assert told == "at most 100 euros"


async def test_tool_reads_the_changed_arguments_in_its_context(
    temporal_address: str, settings: Settings
) -> None:
    edit = {"approved": True, "form": {"euros": 20}}

    told = await run(temporal_address, settings, "spend", {"euros": 50}, edit)

    assert told == f"{note('spend', {'euros': 20})}\n\nspent 20 of {json.dumps({'euros': 20})}"


async def test_image_of_a_changed_call_stays_an_image(
    temporal_address: str, settings: Settings
) -> None:
    edit = {"approved": True, "form": {"name": "b"}}

    told = await run(temporal_address, settings, "photo", {"name": "a"}, edit)

    assert told == [
        {"type": "input_text", "text": note("photo", {"name": "b"})},
        {"type": "input_image", "image_url": "https://photos.example/b"},
    ]
