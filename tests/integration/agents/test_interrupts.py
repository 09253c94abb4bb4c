"""`interrupt()` of LangGraph in nodes that run in the workflow."""

import json
from datetime import timedelta
from typing import Any

import pytest
from temporalio.worker import Worker

from ringback import Callback
from ringback.agents import ToolCall, approvals
from ringback.settings import Settings
from tests.integration.agents.agent_env import AgentEnv, agent_env, failure
from tests.integration.agents.interrupted_graph import InterruptedGraph
from tests.integration.env import GRACE

pytestmark = [pytest.mark.server, pytest.mark.thorough, pytest.mark.timeout(60)]


def worker(env: AgentEnv, *, is_cached: bool) -> Worker:
    async def submit(call: ToolCall, callback: Callback) -> None:
        env.asked.put_nowait((call, callback))

    return Worker(
        env.client,
        task_queue=env.task_queue,
        workflows=[InterruptedGraph],
        activities=[approvals(submit)],
        max_cached_workflows=1000 if is_cached else 0,
        graceful_shutdown_timeout=GRACE,
        workflow_failure_exception_types=[Exception],
    )


@pytest.mark.parametrize("is_cached", [True, False], ids=["cached", "uncached"])
async def test_two_interrupts_get_their_own_decisions(
    temporal_address: str, settings: Settings, *, is_cached: bool
) -> None:
    async with agent_env(temporal_address, settings, "LangGraph") as env:
        async with worker(env, is_cached=is_cached):
            handle = await env.client.start_workflow(
                InterruptedGraph.run,
                "tools",
                id=env.task_queue,
                task_queue=env.task_queue,
                execution_timeout=timedelta(seconds=50),
            )
            asked = [await env.question(), await env.question()]
        links = {call.call_id: callback for call, callback in asked}
        async with worker(env, is_cached=is_cached):
            await env.send(links["o2"], {"approved": False, "reason": "too much"})
            form = {"order": "o1", "euros": 20}
            await env.send(links["o1"], {"approved": True, "form": form})
            decided = json.loads(await handle.result())

        assert env.asked.empty()
        assert decided == {
            "o1": {"type": "edit", "edited_action": {"name": "refund", "args": form}},
            "o2": {"type": "reject", "message": "too much"},
        }


NO = {"approved": False, "reason": "too much"}
YES = {"approved": True}
DO_NOT_FIT = "The arguments do not fit donate: euros: Input should be a valid decimal. Nothing ran."
EDIT = {"approved": True, "form": {"order": "o1", "euros": 20}}


@pytest.mark.parametrize(
    ("about", "refused", "sent", "decided"),
    [
        ("a yes or a no", EDIT, YES, {"type": "approve"}),
        ("a yes or a no", EDIT, NO, {"type": "reject", "message": "too much"}),
        ("a yes or an answer", EDIT, NO, {"type": "respond", "message": json.dumps(NO)}),
        (
            "money",
            {"approved": True, "form": {"euros": []}},
            {"approved": True, "form": {"euros": "many"}},
            {
                "type": "reject",
                "message": DO_NOT_FIT,
            },
        ),
        ("a call of a sub-agent", EDIT, YES, {"type": "approve"}),
        ("a call without an id", EDIT, YES, {"type": "approve"}),
        (
            "a call with an id",
            {"approved": True, "form": {}},
            EDIT,
            {"type": "edit", "edited_action": {"name": "refund", "args": EDIT["form"]}},
        ),
    ],
)
async def test_interrupt_is_answered_by_what_it_allows(
    temporal_address: str,
    settings: Settings,
    about: str,
    refused: object,
    sent: object,
    decided: dict[str, Any],
) -> None:
    async with (
        agent_env(temporal_address, settings, "LangGraph") as env,
        worker(env, is_cached=True),
    ):
        handle = await env.client.start_workflow(
            InterruptedGraph.run, about, id=env.task_queue, task_queue=env.task_queue
        )
        _, callback = await env.question()

        assert (await env.send(callback, refused)).status_code == 422
        assert (await env.send(callback, sent)).status_code == 200
        assert json.loads(await handle.result()) == {"o1": decided}


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ("the weather", "not about a tool call"),
        ("a no", "the interrupt allows nobody to approve refund"),
    ],
)
async def test_interrupt_that_people_cannot_answer_is_refused(
    temporal_address: str, settings: Settings, about: str, reason: str
) -> None:
    async with (
        agent_env(temporal_address, settings, "LangGraph") as env,
        worker(env, is_cached=True),
    ):
        handle = await env.client.start_workflow(
            InterruptedGraph.run, about, id=env.task_queue, task_queue=env.task_queue
        )

        assert reason in await failure(handle)
        assert env.asked.empty()
