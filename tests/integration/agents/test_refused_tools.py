"""What an adapter cannot guard stops the agent before a tool runs."""

import pytest

from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env, failure, saw

pytestmark = [
    pytest.mark.server,
    pytest.mark.other_agents,
    pytest.mark.thorough,
    pytest.mark.timeout(60),
]

CALL = {"order": "o1", "euros": 50}


@pytest.mark.parametrize("framework", ["Strands", "Google ADK"])
async def test_tool_that_the_agent_has_not_is_refused(
    temporal_address: str, settings: Settings, framework: str
) -> None:
    async with (
        agent_env(temporal_address, settings, framework) as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start(CALL, approve=["refnud", "refund"])
        why = await failure(handle)

        assert "the agent has no tool refnud, which people must approve; it has refund" in why
        assert env.asked.empty()


@pytest.mark.parametrize(
    ("framework", "tool"), [("Strands", "donate"), ("Google ADK", "donate"), ("Google ADK", "lend")]
)
async def test_edit_that_meets_the_schema_and_not_the_type_runs_nothing(
    temporal_address: str, settings: Settings, framework: str, tool: str
) -> None:
    async with (
        agent_env(temporal_address, settings, framework) as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start({"euros": "1.10"}, tool=tool)
        _, callback = await env.question()
        reply = await env.send(callback, {"approved": True, "form": {"euros": "many"}})
        (told,) = await saw(handle)

        assert reply.status_code == 200
        assert f"The arguments do not fit {tool}: euros. Nothing ran." in told


async def test_arguments_of_types_that_strands_does_not_keep_cannot_be_changed(
    temporal_address: str, settings: Settings
) -> None:
    async with (
        agent_env(temporal_address, settings, "Strands") as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start({"euros": "1.10"}, tool="lend")
        _, callback = await env.question()
        refused = await env.send(callback, {"approved": True, "form": {"euros": "many"}})
        await env.send(callback, {"approved": True})

        assert (refused.status_code, "no form is asked for" in refused.text) == (422, True)
        assert await saw(handle) == ["lent 1.10"]


async def test_confirmation_of_adk_is_refused(temporal_address: str, settings: Settings) -> None:
    async with (
        agent_env(temporal_address, settings, "Google ADK") as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start(CALL, confirm=True)
        why = await failure(handle)

        assert "the tool refund must not have require_confirmation" in why
        assert env.asked.empty()


async def test_two_calls_with_one_id_are_refused_by_deep_agents(
    temporal_address: str, settings: Settings
) -> None:
    async with (
        agent_env(temporal_address, settings, "Deep Agents") as env,
        env.worker(is_cached=True),
    ):
        handle = await env.start({"id": "a", **CALL}, {"id": "a", "order": "o2", "euros": 7})

        assert set(await saw(handle)) == {
            "User rejected the tool call for `refund` with reason: several calls at once have the"
            " same id"
        }
        assert env.asked.empty()
