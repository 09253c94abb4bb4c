"""What the model of each framework is told, on the real server."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ringback.settings import Settings
from tests.integration.agents.agent_env import AgentEnv, agent_env, each_framework, saw
from tests.integration.env import between_attempts, settings_in

pytestmark = [
    pytest.mark.server,
    # A framework is imported, and its workflow is loaded in the sandbox.
    pytest.mark.timeout(60),
    # Coroutines of the OpenAI SDK await something when a stopped worker closes them.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OpenAgent = Callable[..., AbstractAsyncContextManager[AgentEnv]]
CALL = {"order": "o1", "euros": 50}


@pytest.fixture(params=each_framework())
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(
    params=[True, pytest.param(False, marks=pytest.mark.thorough)], ids=["cached", "uncached"]
)
def is_cached(request: pytest.FixtureRequest) -> bool:
    cached: bool = request.param
    return cached


@pytest.fixture
def open_agent(
    temporal_address: str, settings: Settings, framework: str, *, is_cached: bool
) -> OpenAgent:
    """Run a gateway, and a worker with an agent of the framework."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[AgentEnv]:
        async with (
            agent_env(temporal_address, settings, framework) as env,
            env.worker(is_cached=is_cached, **options),
        ):
            yield env

    return opened


def no(env: AgentEnv, reason: str) -> str:
    if env.framework.name == "Deep Agents":
        return f"User rejected the tool call for `refund` with reason: {reason}"
    return json.dumps({"approved": False, "reason": reason}, ensure_ascii=False)


def edited(env: AgentEnv, euros: int) -> str:
    ran = json.dumps({**CALL, "euros": euros})
    if env.framework.name == "Deep Agents":
        return (
            "Note: a human reviewer replaced this tool call before it ran. The call recorded in"
            " your message is the one you produced, not the one that executed. This was"
            " intentional and authorized. Do not re-issue your original call. Executed instead:"
            f" refund with arguments {ran}.\n\nTool response:\nrefunded o1 {euros}"
        )
    return (
        f"A person changed the arguments of this call. refund ran with {ran}, and not with the"
        f" arguments of the call. Do not repeat the original call.\n\nrefunded o1 {euros}"
    )


@pytest.mark.thorough
async def test_approved_call_runs(open_agent: OpenAgent) -> None:
    """A yes: the tool runs."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        call, callback = await env.question()
        reply = await env.send(callback, {"approved": True})

        assert reply.status_code == 200
        assert (call.tool, call.arguments, call.call_id) == ("refund", CALL, "call_0")
        assert await saw(handle) == ["refunded o1 50"]


async def test_rejection_reaches_the_model_with_its_reason(open_agent: OpenAgent) -> None:
    """A no: the model gets the reason."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        _, callback = await env.question()
        await env.send(callback, {"approved": False, "reason": 'too "much" ü'})

        assert await saw(handle) == [no(env, 'too "much" ü')]


async def test_edited_arguments_run_and_the_model_is_told(open_agent: OpenAgent) -> None:
    """A yes with other arguments: the tool runs with them, and the model is told."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        _, callback = await env.question()
        await env.send(callback, {"approved": True, "form": {**CALL, "euros": 20}})

        assert await saw(handle) == [edited(env, 20)]


@pytest.mark.thorough
async def test_arguments_that_were_sent_unchanged_are_no_edit(open_agent: OpenAgent) -> None:
    """A yes with the same arguments is a plain yes."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        _, callback = await env.question()
        await env.send(callback, {"approved": True, "form": {**CALL, "euros": 50.0}})

        assert await saw(handle) == ["refunded o1 50"]


@pytest.mark.parametrize(
    "form",
    [{**CALL, "euros": "many"}, {**CALL, "to": "me"}, {"order": "o1"}, [CALL], "refund"],
    ids=["other type", "other key", "missing key", "list", "text"],
)
@pytest.mark.thorough
async def test_edit_that_the_tool_cannot_take_is_rejected(
    open_agent: OpenAgent, form: object
) -> None:
    """An edit that the tool cannot take gets 422; the question stays open, and takes a good one."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        _, callback = await env.question()
        reply = await env.send(callback, {"approved": True, "form": form})
        await env.send(callback, {"approved": True, "form": {**CALL, "euros": 20}})

        assert reply.status_code == 422
        assert await saw(handle) == [edited(env, 20)]


@pytest.mark.thorough
async def test_edit_on_the_page_is_checked(open_agent: OpenAgent) -> None:
    """The page returns a wrong edit with 422, and takes a good one."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        _, callback = await env.question()
        wrong = await env.decide_on_page(callback, **{"50": "many"})
        right = await env.decide_on_page(callback, **{"50": "20"})

        assert (wrong.status_code, right.is_error) == (422, False)
        (told,) = await saw(handle)
        assert '"euros": 20' in told
        assert told.endswith("refunded o1 20")


@pytest.mark.thorough
async def test_failure_reaches_the_model(open_agent: OpenAgent) -> None:
    """A failure that is final: the model gets its message."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        _, callback = await env.question()
        failure = {"message": "no budget", "non_retryable": True}
        await env.send(callback, failure, "/fail")

        assert await saw(handle) == [no(env, "no budget")]


@pytest.mark.thorough
async def test_retryable_failure_asks_again(open_agent: OpenAgent) -> None:
    """A failure that may be retried: people are asked again."""
    async with open_agent() as env:
        handle = await env.start(CALL)
        _, first = await env.question()
        failure = {"message": "not now", "non_retryable": False}
        await env.send(first, failure, "/fail")
        _, second = await env.question()
        await env.send(second, {"approved": True})

        assert second.id != first.id
        assert await saw(handle) == ["refunded o1 50"]


@pytest.mark.thorough
async def test_silence_reaches_the_model(open_agent: OpenAgent) -> None:
    """Nobody decides in time: the model is told."""
    async with open_agent() as env:
        handle = await env.start(CALL, seconds=2)

        assert await saw(handle) == [no(env, "nobody decided in time")]


@pytest.mark.thorough
async def test_two_calls_get_their_own_answers(open_agent: OpenAgent) -> None:
    """Two calls at once, answered in reverse: each gets its own answer."""
    async with open_agent() as env:
        handle = await env.start(CALL, {"order": "o2", "euros": 7})
        asked = [await env.question(), await env.question()]
        links = {call.arguments["order"]: callback for call, callback in asked}
        await env.send(links["o2"], {"approved": False, "reason": "no"})
        await env.send(links["o1"], {"approved": True})

        assert await saw(handle) == ["refunded o1 50", no(env, "no")]


@pytest.mark.thorough
async def test_answer_while_no_worker_runs_is_used_by_the_next(
    temporal_address: str, settings: Settings, framework: str, *, is_cached: bool
) -> None:
    """The worker stops while people decide: the next one continues, and asks nobody again."""
    async with agent_env(temporal_address, settings, framework) as env:
        async with env.worker(is_cached=is_cached):
            handle = await env.start(CALL)
            _, callback = await env.question()
        reply = await env.send(callback, {"approved": True})
        async with env.worker(is_cached=is_cached):
            assert await saw(handle) == ["refunded o1 50"]

        assert reply.status_code == 200
        assert env.asked.empty()


@pytest.mark.thorough
async def test_answer_during_submit_is_used(open_agent: OpenAgent) -> None:
    """An answer before the link was sent completely is used."""
    async with open_agent(is_answered_at_once=True) as env:
        handle = await env.start(CALL)

        assert await saw(handle) == ["refunded o1 50"]


@pytest.mark.thorough
async def test_answer_between_two_attempts_is_used(open_agent: OpenAgent) -> None:
    """An answer between two attempts, the first of which sent the link, is used."""
    async with open_agent(fails_after_submit=True) as env:
        handle = await env.start(CALL)
        _, callback = await env.question()
        await between_attempts(handle)
        await env.send(callback, {"approved": True, "form": {**CALL, "euros": 20}})

        assert await saw(handle) == [edited(env, 20)]


@pytest.mark.thorough
async def test_codec_of_the_users_is_used(
    temporal_address: str,
    tmp_path: Path,
    framework: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_cached: bool,
) -> None:
    """With a payload codec: the same."""
    # The OpenAI Agents plugin brings a payload converter of its own; LangGraph's brings none.
    path = "tests.codecs:hidden" if framework == "LangGraph" else "tests.codecs:zipped"
    monkeypatch.setenv("RINGBACK_DATA_CONVERTER", path)
    settings = settings_in(tmp_path, data_converter=path)
    async with (
        agent_env(temporal_address, settings, framework) as env,
        env.worker(is_cached=is_cached),
    ):
        handle = await env.start(CALL)
        _, callback = await env.question()
        await env.send(callback, {"approved": True, "form": {**CALL, "euros": 20}})

        assert await saw(handle) == [edited(env, 20)]


@pytest.mark.thorough
async def test_order_of_the_plugins_does_not_matter(
    temporal_address: str, settings: Settings, framework: str, *, is_cached: bool
) -> None:
    """`RingbackPlugin` behind the framework's plugin: the same, without a converter's setting."""
    async with (
        agent_env(temporal_address, settings, framework, is_ringback_last=True) as env,
        env.worker(is_cached=is_cached),
    ):
        handle = await env.start(CALL)
        _, callback = await env.question()
        await env.send(callback, {"approved": False, "reason": "no"})

        assert await saw(handle) == [no(env, "no")]


@pytest.mark.thorough
async def test_same_call_again_is_another_question(open_agent: OpenAgent, framework: str) -> None:
    """The model repeats a call: each time people are asked, and an old answer is not used."""
    # Their frameworks never run a call whose id they have seen.
    is_by_id = framework in {"OpenAI Agents", "Deep Agents"}
    ids = ("a", "b", "c") if is_by_id else ("a", "a", "a")
    async with open_agent() as env:
        handle = await env.start(*({"id": each, **CALL} for each in ids), one_by_one=True)
        _, first = await env.question()
        await env.send(first, {"approved": False, "reason": "no"})
        _, second = await env.question()
        changed = await env.send(first, {"approved": True})
        await env.send(second, {"approved": True})
        _, third = await env.question()
        repeated = await env.send(second, {"approved": True})
        await env.send(third, {"approved": False, "reason": "never"})

        assert (changed.status_code, repeated.status_code) == (409, 200)
        assert repeated.json()["duplicate"]
        assert await saw(handle) == [no(env, "no"), "refunded o1 50", no(env, "never")]
