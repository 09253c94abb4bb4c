"""A gateway, and a worker with an agent, around the real Temporal server."""

import asyncio
import gc
import importlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self
from uuid import uuid4

import httpx2
import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker

from ringback import Callback
from ringback.agents import ToolCall, approvals
from ringback.app.bootstrap import running_gateway
from ringback.settings import Settings
from ringback.temporal.converter import choose_converter
from tests.integration.agents.refunds import TOOLS
from tests.integration.env import GRACE, path_of, plugin_for, serve_at
from tests.services import missing

AGENTS = {
    "ringback.agents.ask": "plain_agent:PlainAgent",
    "OpenAI Agents": "openai_agent:OpenAIAgent",
    "Pydantic AI": "pydantic_ai_agent:PydanticAIAgent",
    "LangGraph": "langgraph_agent:LangGraphAgent",
    "Strands": "strands_agent:StrandsAgent",
    "Google ADK": "google_adk_agent:GoogleAdkAgent",
    "Deep Agents": "deep_agents_agent:DeepAgent",
}
"""The agents of the tests: the module and the workflow of each framework."""

ELSEWHERE = {
    "Strands": "temporalio-strands-agents",
    "Google ADK": "temporalio-google-adk",
    "Deep Agents": "temporalio-deepagents",
}
"""The packages of frameworks that are in requirements/other-agents.txt."""


@dataclass(frozen=True)
class Framework:
    """One of `AGENTS`."""

    name: str
    workflow: Any
    plugins: list[SimplePlugin]
    converter: DataConverter

    @classmethod
    def load(cls, name: str) -> Self:
        """Return the framework `name`."""
        module_name, workflow_name = AGENTS[name].split(":")
        if name in ELSEWHERE:
            need(ELSEWHERE[name])
        module = importlib.import_module(f"tests.integration.agents.{module_name}")
        # LangChain's messages are models of pydantic.
        converter = pydantic_data_converter if name == "LangGraph" else DataConverter.default
        return cls(name, getattr(module, workflow_name), module.plugins(), converter)


def need(package: str) -> None:
    """Skip this test, or fail it, if a package of requirements/other-agents.txt is missing."""
    try:
        version(package)
    except PackageNotFoundError:
        how = "run `make agent-environment`, and this test with build/other-agents/bin/python"
        missing(package, how)


def each_framework() -> list[Any]:
    """Return the names of the frameworks; `make test-rest` runs some with another Python."""
    elsewhere = [pytest.mark.other_agents, pytest.mark.thorough]
    return [pytest.param(name, marks=elsewhere) if name in ELSEWHERE else name for name in AGENTS]


@dataclass
class AgentEnv:
    """What a test needs to start an agent, and to answer its questions."""

    client: Client
    http: httpx2.AsyncClient
    settings: Settings
    framework: Framework
    task_queue: str
    asked: asyncio.Queue[tuple[ToolCall, Callback]] = field(default_factory=asyncio.Queue)

    async def start(
        self, *calls: dict[str, Any], seconds: float = 60, **more: Any
    ) -> WorkflowHandle[Any, Any]:
        """Start an agent that makes these calls; refunds.py says what else a prompt has."""
        return await self.client.start_workflow(
            self.framework.workflow.run,
            args=[json.dumps({"calls": calls, **more}), seconds],
            id=f"agent-{uuid4()}",
            task_queue=self.task_queue,
            execution_timeout=timedelta(seconds=60),
        )

    async def question(self) -> tuple[ToolCall, Callback]:
        """Return the next question."""
        async with asyncio.timeout(15):
            return await self.asked.get()

    async def send(self, callback: Callback, body: object, verb: str = "") -> httpx2.Response:
        """Answer by the link, and wait until that was applied."""
        headers = {"prefer": "wait=10"}
        return await self.http.post(f"{path_of(callback)}{verb}", json=body, headers=headers)

    async def decide_on_page(self, callback: Callback, **typed: str) -> httpx2.Response:
        """Approve on the page, with other text in the fields that show these values."""
        headers = {"accept": "text/html", "origin": self.settings.base_url}
        page = (await self.http.get(path_of(callback), headers=headers)).text
        form = page[page.index("/decide") :]
        fields = {
            name: typed.get(value, unescape(value))
            for name, value in re.findall(r'<input [^>]*name="([^"]+)"[^>]* value="([^"]*)"', form)
            if name != "choice"
        }
        assert typed.keys() <= set(re.findall(r' value="([^"]*)"', form))
        return await self.http.post(
            f"{path_of(callback)}/decide", data={**fields, "choice": "approve"}, headers=headers
        )

    @asynccontextmanager
    async def worker(
        self,
        *,
        is_cached: bool,
        is_answered_at_once: bool = False,
        fails_after_submit: bool = False,
        **options: Any,
    ) -> AsyncIterator[None]:
        """Run a worker for the block."""

        async def submit(call: ToolCall, callback: Callback) -> None:
            self.asked.put_nowait((call, callback))
            if is_answered_at_once:
                await self.http.post(path_of(callback), json={"approved": True})
            if fails_after_submit:
                msg = "lost the connection after the link was sent"
                raise ConnectionError(msg)

        async with Worker(
            self.client,
            task_queue=self.task_queue,
            workflows=[self.framework.workflow],
            activities=[*TOOLS.values(), approvals(submit, **options)],
            max_cached_workflows=1000 if is_cached else 0,
            graceful_shutdown_timeout=GRACE,
            # An error of the agent ends the test, and does not wait for better code.
            workflow_failure_exception_types=[Exception],
        ):
            yield


async def failure(handle: WorkflowHandle[Any, Any]) -> str:
    """Return why the agent failed, with all causes."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    return " <- ".join(str(one) for one in causes(caught.value))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


async def saw(handle: WorkflowHandle[Any, Any]) -> list[Any]:
    """Return what the model was given."""
    seen: list[Any] = json.loads(await handle.result())
    return seen


@asynccontextmanager
async def agent_env(
    address: str, settings: Settings, name: str, *, is_ringback_last: bool = False
) -> AsyncIterator[AgentEnv]:
    """Run a gateway for the block, without a worker."""
    # It may skip the test, before the gateway listens.
    framework = Framework.load(name)
    async with AsyncExitStack() as stack:
        converter = choose_converter(settings.data_converter, None)
        of_gateway = await Client.connect(address, lazy=True, data_converter=converter)
        gateway = await stack.enter_async_context(running_gateway(of_gateway, settings))
        await serve_at(stack, gateway, settings)
        http = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=settings.base_url, timeout=30, verify=False)
        )
        plugins = _ordered(plugin_for(settings), framework.plugins, is_last=is_ringback_last)
        # A setting is `RingbackPlugin`'s.
        given = DataConverter.default if settings.data_converter else framework.converter
        client = await Client.connect(address, plugins=plugins, data_converter=given)
        yield AgentEnv(client, http, settings, framework, f"agents-{uuid4()}")
        # A stopped worker drops workflows that wait: let them warn in a test that ignores it.
        gc.collect()


def _ordered(ringback: SimplePlugin, others: Sequence[SimplePlugin], *, is_last: bool) -> list[Any]:
    return [*others, ringback] if is_last else [ringback, *others]
