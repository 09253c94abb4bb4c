"""The function that a worker runs as an activity, and whether it may wait for a callback.

An answer that the gateway delivers becomes the activity's result unchanged: neither the function
nor its wrappers run again. The workflow reads the answer as the registered function's return type.
If that is not the type that was waited for, the answer is lost or the workflow task fails forever.
If it is an envelope of an agent framework, the answer is the framework's own control message, and
the sender can direct the agent.
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
"""Failure type of an activity that waits for another type than it returns."""

AGENT_FRAMEWORK: Final = "WaitInAgentFramework"
"""Failure type of an activity that belongs to an agent framework and waits."""

_FRAMEWORKS: Final = ("temporalio", "pydantic_ai")
"""Packages whose activities run user functions and wrap their return values."""

_ADVICE: Final = (
    "wait in a separate activity that returns the answer, and call it from workflow code"
)

_UNKNOWN: Final = object()
_function: ContextVar[Callable[..., Any]] = ContextVar("ringback_activity_function")


class ActivityFunctionInterceptor(Interceptor):
    """Records, for each attempt, which function the worker runs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Wrap `next` to record the function."""
        return _Remember(next)


class _Remember(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        # Each attempt has its own task, and the SDK copies its context to threads.
        _function.set(input.fn)
        return await super().execute_activity(input)


def check_activity(result_type: object) -> None:
    """Check that the current activity can wait for a `result_type`.

    Functions without annotations, and functions that were not recorded, are allowed.

    Raises:
        ApplicationError: The activity cannot wait; not retryable.
    """
    function = _function.get(None)
    if function is None:
        return
    package = _framework_of(function)
    if package is not None:
        _refuse(f"belongs to {package}, which wraps its return value", AGENT_FRAMEWORK)
    returned = _return_type(function)
    if returned is not _UNKNOWN and not is_held_by(returned, result_type):
        said = f"returns {_name(returned)}, but waits for {_name(result_type)}"
        _refuse(f"{said}, which the workflow cannot read", WRONG_RETURN_TYPE)


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
        # A callable object.
        function = type(function).__call__
    try:
        return get_type_hints(function).get("return", _UNKNOWN)
    except (NameError, TypeError, AttributeError):
        # An unresolvable name, or an object without annotations.
        return _UNKNOWN


def _unwrapped_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    return function


def _name(given: object) -> str:
    return given.__qualname__ if isclass(given) and not hasattr(given, "__args__") else str(given)
