"""The function that a worker runs as an activity, and whether it may wait for a callback.

An answer that is delivered to a sleeping activity becomes its result as it is: nothing of the
function, or of what wraps it, runs again. So the workflow reads the answer as what the registered
function returns. If that is not the type that was waited for, the answer is lost, or the workflow
task fails for ever. If it is an envelope of an agent framework, the answer is the framework's own
control message, and whoever holds the link directs the agent.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from inspect import isclass, isfunction, ismethod
from typing import Any, Final, get_type_hints

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from ringback.worker.type_fit import is_held_by

WRONG_RETURN_TYPE: Final = "WrongReturnType"
"""The failure type of an activity that waits for something else than it returns."""

AGENT_FRAMEWORK: Final = "WaitInAgentFramework"
"""The failure type of a wait inside an activity that belongs to an agent framework."""

_FRAMEWORKS: Final = ("temporalio", "pydantic_ai")
"""Packages whose own activities run other people's functions and wrap what they return."""

_ADVICE: Final = (
    "ask in an activity of its own that returns the answer, and call it from workflow code"
)

_UNKNOWN: Final = object()
_function: ContextVar[Callable[..., Any]] = ContextVar("ringback_activity_function")


class ActivityFunctionInterceptor(Interceptor):
    """Remembers, for each attempt, which function the worker runs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Return `next` with the function set around it."""
        return _Remember(next)


class _Remember(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        # The attempt has a task of its own, and the SDK copies its context to threads.
        _function.set(input.fn)
        return await super().execute_activity(input)


def check_activity(result_type: object) -> None:
    """Check that the activity that runs can wait for a `result_type`.

    What cannot be known is allowed: a function without annotation, or one that was never seen.

    Raises:
        ApplicationError: It cannot, whoever answers; no retry would change that.
    """
    function = _function.get(None)
    if function is None:
        return
    package = _framework_of(function)
    if package is not None:
        _refuse(f"belongs to {package}, which wraps what it returns", AGENT_FRAMEWORK)
    returned = _return_type(function)
    if returned is not _UNKNOWN and not is_held_by(returned, result_type):
        said = f"returns {_name(returned)}, but waits for {_name(result_type)}"
        _refuse(f"{said}, which the workflow could not read", WRONG_RETURN_TYPE)


def _refuse(reason: str, failure_type: str) -> None:
    msg = f"activity {activity.info().activity_type} cannot wait: it {reason}; {_ADVICE}"
    raise ApplicationError(msg, type=failure_type, non_retryable=True)


def _framework_of(function: Callable[..., Any]) -> str | None:
    module = str(getattr(_unwrapped_partial(function), "__module__", ""))
    is_theirs = any(module == name or module.startswith(f"{name}.") for name in _FRAMEWORKS)
    return module if is_theirs else None


def _return_type(function: Callable[..., Any]) -> object:
    function = _unwrapped_partial(function)
    if not (isfunction(function) or ismethod(function) or isclass(function)):
        # An object that can be called.
        function = type(function).__call__
    try:
        return get_type_hints(function).get("return", _UNKNOWN)
    except (NameError, TypeError, AttributeError):
        # A name that cannot be resolved here, or something that has no annotations.
        return _UNKNOWN


def _unwrapped_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    return function


def _name(given: object) -> str:
    return given.__qualname__ if isclass(given) and not hasattr(given, "__args__") else str(given)
