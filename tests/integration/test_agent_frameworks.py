"""A wait whose answer the workflow could not read is refused before it is submitted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from ringback import (
    Callback,
    open_callback,
    open_callback_sync,
    wait_for_callback,
    wait_for_callback_sync,
)
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.callback import State
from ringback.ports.store import CallbackQuery
from ringback.settings import Settings
from tests.integration.conftest import OpenEnv
from tests.integration.env import Env, FakeService
from tests.integration.workflows import Run

pytestmark = pytest.mark.server

FRAMEWORKS = [
    "temporalio.langgraph._activity",
    "pydantic_ai.durable_exec.temporal._function_toolset",
]


@dataclass
class Envelope:
    """What a framework returns instead of what the wrapped function returns."""

    result: Any = None


@dataclass
class Asking:
    """Activities that wait in each form there is, as a framework would wrap them."""

    service: FakeService

    @activity.defn
    async def wait(self) -> Envelope:
        return Envelope(await wait_for_callback(self.service.submit, dict))

    @activity.defn
    def wait_in_a_thread(self) -> Envelope:
        return Envelope(wait_for_callback_sync(self.submit_in_a_thread, dict))

    @activity.defn
    async def open(self) -> Envelope:
        async with open_callback(result_type=dict) as callback:
            await self.service.submit(callback)
        activity.raise_complete_async()

    @activity.defn
    def open_in_a_thread(self) -> Envelope:
        with open_callback_sync(result_type=dict) as callback:
            self.submit_in_a_thread(callback)
        activity.raise_complete_async()

    def submit_in_a_thread(self, callback: Callback) -> None:
        self.service.submit_in_a_thread(callback)


async def is_store_empty(settings: Settings) -> bool:
    async with opened_store(settings, SystemClock()) as store:
        return not await store.page(CallbackQuery(frozenset(State)), after=None, limit=1)


async def refusal(env: Env, name: str) -> ApplicationError:
    """Return what the activity `name` fails with, though it may be retried."""
    handle = await env.start(Run(name, attempts=5))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    return cause


@pytest.mark.parametrize("form", ["wait", "wait_in_a_thread", "open", "open_in_a_thread"])
async def test_activity_that_returns_an_envelope_is_refused_in_every_form(
    open_env: OpenEnv, service: FakeService, settings: Settings, form: str
) -> None:
    async with open_env(getattr(Asking(service), form)) as env:
        failure = await refusal(env, form)

        assert (failure.type, failure.non_retryable) == ("WrongReturnType", True)
        assert f"activity {form} cannot wait: it returns Envelope" in failure.message
        assert service.given.empty()
        assert await is_store_empty(settings)


def wrapped_by(module: str, function: Callable[[], Any], *, returns: object) -> Callable[..., Any]:
    """Return an activity as `module` would make one of `function`."""

    async def wrapper() -> Any:
        return Envelope(await function())

    wrapper.__module__ = module
    wrapper.__annotations__["return"] = returns
    return activity.defn(name="wrapped")(wrapper)


@pytest.mark.parametrize("module", FRAMEWORKS)
@pytest.mark.parametrize("returns", [Envelope, Any], ids=["envelope", "Any"])
async def test_any_wait_inside_an_agent_framework_is_refused(
    open_env: OpenEnv, service: FakeService, settings: Settings, *, module: str, returns: object
) -> None:
    async def tool() -> Envelope:
        return await wait_for_callback(service.submit, Envelope)

    async with open_env(wrapped_by(module, tool, returns=returns)) as env:
        failure = await refusal(env, "wrapped")

        assert (failure.type, failure.non_retryable) == ("WaitInAgentFramework", True)
        assert module in failure.message
        assert service.given.empty()
        assert await is_store_empty(settings)


async def test_typed_activity_may_use_the_untyped_lower_form(
    open_env: OpenEnv, service: FakeService
) -> None:
    @activity.defn
    async def ask() -> str:
        async with open_callback() as callback:
            await service.submit(callback)
        activity.raise_complete_async()

    async with open_env(ask) as env:
        handle = await env.start(Run("ask"))
        await env.answer(await service.next(), "the answer")

        assert await handle.result() == "the answer"
