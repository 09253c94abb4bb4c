"""Which activity may wait for which type."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from ringback.worker.activity_function import ActivityFunctionInterceptor, check_activity


@dataclass
class Receipt:
    """A result."""

    amount: int


@dataclass
class ActivityOutput:
    """An envelope, as an agent framework returns it."""

    result: Any = None


class LastInterceptor(ActivityInboundInterceptor):
    """Calls the function, as the SDK's last interceptor does."""

    def __init__(self) -> None:
        """Have no next one."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        return await input.fn(*input.args)


async def run(function: Callable[..., Any]) -> Any:
    """Run `function` as the activity of a worker that has the plugin."""
    inbound = ActivityFunctionInterceptor().intercept_activity(LastInterceptor())
    given = ExecuteActivityInput(fn=function, args=[], executor=None, headers={})
    return await ActivityEnvironment().run(inbound.execute_activity, given)


def from_module(module: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as if it were defined in `module`."""
    function.__module__ = module
    return function


async def untyped_wrapper() -> Any:
    check_activity(Receipt)


async def typed_wrapper() -> ActivityOutput:
    check_activity(Receipt)
    return ActivityOutput()


async def wrapper_waiting_for_its_envelope() -> ActivityOutput:
    check_activity(ActivityOutput)
    return ActivityOutput()


async def string_annotation() -> "ActivityOutput":
    check_activity(Receipt)
    return ActivityOutput()


async def unresolved_annotation() -> "Missing":  # type: ignore[name-defined]  # noqa: F821 - on purpose
    check_activity(Receipt)


async def without_annotation():  # type: ignore[no-untyped-def]
    check_activity(Receipt)


async def receipt() -> Receipt:
    check_activity(Receipt)
    return Receipt(1)


async def in_a_thread() -> ActivityOutput:
    await asyncio.to_thread(check_activity, Receipt)
    return ActivityOutput()


@wraps(typed_wrapper)
async def decorated(*args: Any) -> Any:
    return await typed_wrapper(*args)


class Approvals:
    """Has activities that are methods, and is callable."""

    async def approve(self) -> ActivityOutput:
        check_activity(Receipt)
        return ActivityOutput()

    async def __call__(self) -> ActivityOutput:
        check_activity(Receipt)
        return ActivityOutput()


@pytest.mark.parametrize(
    "function",
    [
        typed_wrapper,
        string_annotation,
        in_a_thread,
        decorated,
        Approvals().approve,
        Approvals(),
        partial(typed_wrapper),
    ],
    ids=["function", "string", "thread", "decorated", "method", "callable object", "partial"],
)
async def test_activity_that_returns_another_type_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ApplicationError) as caught:
        await run(function)

    assert (caught.value.type, caught.value.non_retryable) == ("WrongReturnType", True)
    assert caught.value.message == (
        "activity unknown cannot wait: it returns ActivityOutput, but waits for Receipt, which the "
        "workflow cannot read; wait in a separate activity that returns the answer, and call "
        "it from workflow code; for an agent's tool, `ringback.agents.ask` does that"
    )


@pytest.mark.parametrize(
    "function",
    [receipt, untyped_wrapper, without_annotation, unresolved_annotation],
    ids=["right type", "Any", "no annotation", "unresolved"],
)
async def test_activity_that_may_return_the_type_is_allowed(function: Callable[..., Any]) -> None:
    await run(function)


@pytest.mark.parametrize(
    "module",
    [
        "temporalio.langgraph._activity",
        "temporalio.deepagents._activity",
        "pydantic_ai.durable_exec.temporal._function_toolset",
        "pydantic_ai",
    ],
)
@pytest.mark.parametrize(
    "function", [untyped_wrapper, wrapper_waiting_for_its_envelope], ids=["Any", "envelope"]
)
async def test_wait_inside_an_agent_framework_is_refused(
    module: str, function: Callable[..., Any]
) -> None:
    async def wrapper() -> Any:
        await function()

    with pytest.raises(ApplicationError) as caught:
        await run(from_module(module, wrapper))

    assert (caught.value.type, caught.value.non_retryable) == ("WaitInAgentFramework", True)
    assert f"it belongs to {module}, which wraps its return value" in caught.value.message
    assert "`ringback.agents." in caught.value.message


@pytest.mark.parametrize("module", ["temporalio_orders.activities", "pydantic_ai_tools", "orders"])
async def test_module_whose_name_only_begins_like_a_framework_is_allowed(module: str) -> None:
    async def wrapper() -> Any:
        await untyped_wrapper()

    await run(from_module(module, wrapper))


async def test_function_that_was_never_seen_is_allowed() -> None:
    await ActivityEnvironment().run(typed_wrapper)
