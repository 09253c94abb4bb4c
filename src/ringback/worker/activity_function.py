"""The function that a worker runs as an activity, and whether it may wait for a callback.

An answer that the gateway delivers becomes the activity's result unchanged: neither the function
nor its wrappers run again. The workflow reads the answer as the registered function's return type.
If that is not the type that was waited for, the answer is lost or the workflow task fails forever.
If it is an envelope of an agent framework, the answer is the framework's own control message, and
the sender can direct the agent.
"""

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from inspect import isclass, isfunction, ismethod
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from ringback.domain.outcome import POLL_TYPE, RESUME_TYPE

WRONG_RETURN_TYPE: Final = "WrongReturnType"
"""Failure type of an activity that waits for another type than it returns."""

AGENT_FRAMEWORK: Final = "WaitInAgentFramework"
"""Failure type of an activity that belongs to an agent framework and waits."""

NO_NEXT_ATTEMPT: Final = "NoNextAttempt"
"""Failure type of an activity that has no attempt left to continue or to poll in."""

_LEAST_FOR_POLLS: Final = 3

_ADVICE: Final = (
    "wait in a separate activity that returns the answer, and call it from workflow code; for an"
    " agent's tool, `ringback.agents.ask` does that"
)

_FRAMEWORKS: Final = {
    "temporalio.langgraph": "ask in a node with execute_in='workflow', by"
    " `ringback.agents.langgraph.ask_about` or `ringback.agents.ask`",
    "temporalio": _ADVICE,
    "pydantic_ai": "give the tool requires_approval=True, and the agent the capability"
    " `ringback.agents.pydantic_ai.Approvals`",
}
"""Packages whose activities run user functions and wrap their return values; what to do there.

The first package that has the activity counts.
"""

UNKNOWN: Final = object()
"""The return type of a function without a usable annotation."""

_function: ContextVar[Callable[..., Any]] = ContextVar("ringback_activity_function")


class ActivityFunctionInterceptor(Interceptor):
    """Records, for each attempt, which function the worker runs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Wrap `next` to record the function."""
        return _Remember(next)


class _Remember(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        record_function(input.fn)
        return await super().execute_activity(input)


def record_function(function: Callable[..., Any]) -> None:
    """Record which function the current attempt runs.

    Each attempt has its own task, and the SDK copies its context to threads.
    """
    _function.set(function)


def check_activity(result_type: object, *, resumes: bool = False) -> None:
    """Check that the current activity can wait for a `result_type`.

    Functions without annotations, and functions that were not recorded, are allowed. One that
    resumes may return another type, since its own code returns, and needs another attempt.

    Raises:
        ApplicationError: The activity cannot wait; not retryable.
    """
    if resumes and activity.info().attempt == 1:
        check_next_attempt()
    function = _function.get(None)
    if function is None:
        return
    module = _module_of(function)
    for package, advice in _FRAMEWORKS.items():
        if module == package or module.startswith(f"{package}."):
            reason = f"belongs to {module}, which wraps its return value"
            _refuse(reason, AGENT_FRAMEWORK, advice=advice)
    returned = UNKNOWN if resumes else return_type(function)
    if returned is not UNKNOWN and not is_held_by(returned, result_type):
        said = f"returns {_name(returned)}, but waits for {_name(result_type)}"
        _refuse(f"{said}, which the workflow cannot read", WRONG_RETURN_TYPE)


def check_polls() -> None:
    """Check that Temporal would retry an attempt that ends so that another one polls.

    A poll never uses the last attempt, which is left for a worker that dies.

    Raises:
        ApplicationError: It would not; not retryable.
    """
    policy = activity.info().retry_policy
    if policy is None or activity.info().attempt > 1:
        return
    if 0 < policy.maximum_attempts < _LEAST_FOR_POLLS:
        _refuse_attempt(
            "poll",
            f"maximum_attempts is {policy.maximum_attempts}, each poll uses an attempt, and the"
            f" last one is left for a worker that dies; allow at least {_LEAST_FOR_POLLS}, or leave"
            " maximum_attempts unset",
        )
    _check_is_retried(POLL_TYPE, "poll")


def check_next_attempt() -> None:
    """Check that Temporal would retry this attempt when it ends to resume.

    Raises:
        ApplicationError: It would not; not retryable.
    """
    info = activity.info()
    policy = info.retry_policy
    if policy is None:
        return
    if policy.maximum_attempts and info.attempt >= policy.maximum_attempts:
        limit = f"maximum_attempts is {policy.maximum_attempts}, and this is the last attempt"
        _refuse_attempt(
            "continue", f"{limit}; allow more attempts, or leave maximum_attempts unset"
        )
    _check_is_retried(RESUME_TYPE, "continue")


def _check_is_retried(failure_type: str, what: str) -> None:
    policy = activity.info().retry_policy
    if policy is not None and failure_type in (policy.non_retryable_error_types or ()):
        _refuse_attempt(what, f"its retry policy lists {failure_type} in non_retryable_error_types")


def _refuse_attempt(what: str, reason: str) -> None:
    msg = f"activity {activity.info().activity_type} cannot {what} in another attempt: {reason}"
    raise ApplicationError(msg, type=NO_NEXT_ATTEMPT, non_retryable=True)


def _refuse(reason: str, failure_type: str, *, advice: str = _ADVICE) -> None:
    msg = f"activity {activity.info().activity_type} cannot wait: it {reason}; {advice}"
    raise ApplicationError(msg, type=failure_type, non_retryable=True)


def _module_of(function: Callable[..., Any]) -> str:
    return str(getattr(_unwrapped_partial(function), "__module__", ""))


def return_type(function: Callable[..., Any]) -> object:
    """Return the annotated return type of an activity's function, or `UNKNOWN`."""
    function = _unwrapped_partial(function)
    if not (isfunction(function) or ismethod(function) or isclass(function)):
        # A callable object.
        function = type(function).__call__
    try:
        return get_type_hints(function).get("return", UNKNOWN)
    except (NameError, TypeError, AttributeError):
        # An unresolvable name, or an object without annotations.
        return UNKNOWN


def _unwrapped_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    return function


def _name(given: object) -> str:
    return given.__qualname__ if isclass(given) and not hasattr(given, "__args__") else str(given)


_ALSO_HOLDS: Final[dict[object, tuple[type, ...]]] = {float: (int,), complex: (int, float)}
"""What a type accepts besides its subclasses: PEP 484's numeric tower."""


def is_held_by(annotation: object, wanted: object) -> bool:
    """Return whether `annotation` accepts every value of type `wanted`; true if undecidable.

    Types are compared by name, as a type checker does, and not by their JSON: two classes with the
    same fields are two types. A type without parameters matches any parameters.
    """
    annotation, wanted = _plain(annotation), _plain(wanted)
    if annotation == wanted or annotation in (Any, object) or wanted is Any:
        return True
    if _is_union(wanted):
        return all(is_held_by(annotation, one) for one in get_args(wanted))
    if get_origin(wanted) is Literal:
        return all(_holds_value(annotation, value) for value in get_args(wanted))
    if _is_union(annotation):
        return any(is_held_by(one, wanted) for one in get_args(annotation))
    if get_origin(annotation) is Literal:
        return False
    return _class_holds(annotation, wanted)


def _plain(given: object) -> object:
    """Strip aliases, new types and metadata."""
    while True:
        if given is None:
            return NoneType
        if isinstance(given, NewType):
            given = given.__supertype__
        elif type(given).__name__ == "TypeAliasType":
            given = cast("Any", given).__value__
        elif get_origin(given) is Annotated:
            given = get_args(given)[0]
        else:
            return given


def _is_union(given: object) -> bool:
    return get_origin(given) in (Union, UnionType)


def _holds_value(annotation: object, value: object) -> bool:
    annotation = _plain(annotation)
    if _is_union(annotation):
        return any(_holds_value(one, value) for one in get_args(annotation))
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    return is_held_by(annotation, type(value))


def _class_holds(annotation: object, wanted: object) -> bool:
    held, inner = _origin(annotation), _origin(wanted)
    if not (inspect.isclass(held) and inspect.isclass(inner)):
        # For example a type variable, or an unresolved name.
        return True
    if is_typeddict(held):
        return is_typeddict(inner) and _keys_hold(held, inner)
    try:
        # The only base of a `TypedDict` is `dict`.
        is_base = issubclass(
            dict if is_typeddict(inner) else inner, (held, *_ALSO_HOLDS.get(held, ()))
        )
    except TypeError:
        # A protocol that is not checkable at run time.
        return True
    return is_base and _arguments_hold(annotation, wanted)


def _origin(given: object) -> object:
    return get_origin(given) or given


def _keys_hold(annotation: type, wanted: type) -> bool:
    there = _hints(wanted)
    required: frozenset[str] = annotation.__required_keys__  # type: ignore[attr-defined]  # - a TypedDict's
    return required <= there.keys() and all(
        is_held_by(expected, there.get(key, Any)) for key, expected in _hints(annotation).items()
    )


def _hints(typed_dict: type) -> dict[str, Any]:
    try:
        return get_type_hints(typed_dict)
    except NameError:
        return dict.fromkeys(typed_dict.__annotations__, Any)


def _arguments_hold(annotation: object, wanted: object) -> bool:
    """Compare `list[A]` with `list[B]`; skip parameters that do not correspond."""
    expected, given = get_args(annotation), get_args(wanted)
    if len(expected) != len(given) or Ellipsis in (*expected, *given):
        return True
    return all(map(is_held_by, expected, given))
