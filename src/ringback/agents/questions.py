"""`ask`: workflow code asks people whether a tool may run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Required, TypedDict, Unpack

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from ringback.agents.approval import (
    ACTIVITY,
    NOBODY_DECIDED,
    Approval,
    Question,
    ToolCall,
    to_approval,
    to_failure,
    why_not_plain_json,
)
from ringback.agents.arguments import to_form
from ringback.domain.errors import NotWiredError

_GRACE: Final = timedelta(minutes=10)
"""How much longer Temporal waits than people have: the gateway may deliver an answer late."""

_LONGEST: Final = timedelta(days=3650)
"""The gateway rejects longer deadlines."""

_RETRIES: Final = RetryPolicy(maximum_interval=timedelta(seconds=30))
"""The gateway may be away for a while."""


class AskOptions(TypedDict, total=False):
    """Options of `ask` and of the adapters.

    Attributes:
        within: How long people have. Then the approval says that nobody decided.
        assignees: The people who may decide, instead of those of `approvals`; at least one.
        exclude: Users who may not decide, in addition to those of `approvals`.
        may_edit: Whether a person may change the arguments. Default: yes, with the tool's
            JSON Schema, and where one approval suffices.
        task_queue: The task queue of the worker that has `approvals`; by default the workflow's.
    """

    within: Required[timedelta]
    assignees: Sequence[str]
    exclude: Sequence[str]
    may_edit: bool
    task_queue: str


async def ask(
    tool: str,
    arguments: Mapping[str, Any],
    call_id: str | None = None,
    *,
    schema: Mapping[str, Any] | None = None,
    description: str | None = None,
    **options: Unpack[AskOptions],
) -> Approval:
    """Ask people whether an agent may make a call, and wait for what they decide.

    Call it in workflow code. A rejection, a failure and silence are values; the cancellation of the
    workflow is raised. Each call asks a question of its own: an answer approves exactly the
    arguments that it was shown with. A replay does not ask again.

    The worker needs `RingbackPlugin`, and `approvals(…)` among its activities.

    Args:
        tool: The tool's name.
        arguments: What it would run with, as plain JSON.
        call_id: The model's name of the call.
        schema: The JSON Schema of the arguments, by which a person may change them.
        description: What the tool does, for people.
        **options: See `AskOptions`.

    Raises:
        NotWiredError: The caller is outside Temporal.
        ApplicationError: The caller is an activity; not retryable.
        ValueError: `within` is not positive, or `assignees` is empty.
        TypeError: An option is missing or unknown, or has the wrong type.
        ActivityError: The workflow is canceled.

    Example:
        >>> approval = await ask("refund", {"order": "o1", "euros": 50}, within=timedelta(days=1))
        >>> if not approval.approved:
        ...     return approval.to_text()
    """
    check_options(options)
    _check_object("arguments", arguments)
    if schema is not None:
        _check_object("schema", schema)
    _check_place()
    call = ToolCall(tool, dict(arguments), call_id, description)
    problem = why_not_plain_json(call)
    if problem is not None:
        # The converter would reject it, or the gateway, and the workflow would never end.
        return to_failure(replace(call, arguments={}), problem)
    form = None
    if schema is not None and options.get("may_edit", True):
        form = to_form(schema, arguments)
    assignees = options.get("assignees")
    question = Question(
        call,
        options["within"].total_seconds(),
        form,
        None if assignees is None else list(assignees),
        list(options.get("exclude", ())),
    )
    try:
        decision = await workflow.execute_activity(
            ACTIVITY,
            question,
            task_queue=options.get("task_queue"),
            schedule_to_close_timeout=min(options["within"], _LONGEST) + _GRACE,
            retry_policy=_RETRIES,
            summary=f"May {tool} run?",
        )
    except ActivityError as exc:
        if is_cancelled_exception(exc):
            raise
        return _to_no(call, exc)
    return to_approval(call, decision, form)


def check_options(options: AskOptions) -> None:
    """Check the options of `ask` and of the adapters, which call it before an agent runs.

    Raises:
        ValueError: `within` is not positive, or `assignees` is empty.
        TypeError: An option is missing or unknown, or has the wrong type.
    """
    unknown = options.keys() - AskOptions.__annotations__.keys()
    if unknown:
        msg = f"there is no option {min(unknown)} for a question; see AskOptions"
        raise TypeError(msg)
    within = options.get("within")
    if not isinstance(within, timedelta):
        msg = "name how long people have, as a timedelta, such as within=timedelta(hours=24)"
        raise TypeError(msg)
    if within <= timedelta():
        msg = f"within must be positive, not {within}"
        raise ValueError(msg)
    for name in ("assignees", "exclude"):
        # A list of its letters would exclude nobody.
        if isinstance(options.get(name), str):
            msg = f"{name} must be a list of people, not a text"
            raise TypeError(msg)
    if "assignees" in options and len(options["assignees"]) == 0:
        msg = "assignees is empty; name somebody, or leave it out to ask those of `approvals`"
        raise ValueError(msg)


def _check_object(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        msg = f"{name} must be a dict, not a {type(value).__name__}"
        raise TypeError(msg)


def _check_place() -> None:
    if workflow.in_workflow():
        return
    msg = (
        "ask() runs in workflow code, and this is an activity or no part of Temporal: ask in"
        " the workflow before the tool's activity starts"
    )
    if activity.in_activity():
        # It would be retried for ever, for example in a node of LangGraph.
        raise ApplicationError(msg, type=NotWiredError.__name__, non_retryable=True)
    raise NotWiredError(msg)


def _to_no(call: ToolCall, error: ActivityError) -> Approval:
    cause = error.cause
    if isinstance(cause, TemporalTimeoutError):
        return Approval(call, "nobody", call.arguments, NOBODY_DECIDED)
    return to_failure(call, getattr(cause, "message", str(cause)))
