"""`approvals`: the activity that asks people about the tool calls of agents."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, Literal, NoReturn, TypeAlias, TypedDict, Unpack

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ringback.agents.approval import ACTIVITY, NOBODY_DECIDED, Question, ToolCall
from ringback.core.services import caught
from ringback.domain.errors import GatewayRefusedError, NotWiredError, RingbackError
from ringback.domain.options import LONGEST_TITLE
from ringback.domain.policy_checks import Escalation
from ringback.domain.subject import LONGEST_DESCRIPTION, Subject
from ringback.worker.attempt import finish_submit
from ringback.worker.callback import Callback
from ringback.worker.decide import wait_for_decision
from ringback.worker.decision import Decision
from ringback.worker.options import to_options
from ringback.worker.runtime import get_runtime

CANNOT_ASK: Final = "CannotAsk"
"""Failure type of a question that nobody can be asked, however often it is tried."""

NOT_ASKED: Final = "nobody could be asked; the worker's log says why"
"""What a model reads if asking fails until the deadline: the error could contain a link."""

Submit: TypeAlias = Callable[[ToolCall, Callback], Awaitable[None]]

_PERMANENT: Final = frozenset({
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
})

_logger = logging.getLogger(__name__)


class ApprovalOptions(TypedDict, total=False):
    """Options of `approvals`: those of `wait_for_decision` that fit every question.

    Attributes:
        assignees: The people who may decide, as `user:ada@example.org` and `group:finance`; at
            least one, or leave it out.
        exclude: Users who may not decide.
        approvals: How many distinct people must approve. With more than one, nobody may change the
            arguments: all approve the same.
        veto: Whether one rejection rejects.
        require_reason: When a vote needs a reason: `never`, `rejection` or `always`.
        link_decides: Whether holders of the link may decide, where people are named.
        notify: Channels through which they are asked.
        remind_every: How often they are reminded.
        escalate: More people who are asked if there is no decision after a while.
        notify_url: Receives a signed webhook for every change of a question.
        cancel_url: Receives a signed webhook when a question ends without an answer.
        tags: Labels for searching.
        metadata: Plain JSON with your own keys, which everybody with the link sees.
    """

    assignees: Sequence[str]
    exclude: Sequence[str]
    approvals: int | Literal["majority"]
    veto: bool
    require_reason: Literal["never", "rejection", "always"]
    link_decides: bool | None
    notify: Sequence[str]
    remind_every: timedelta | None
    escalate: Sequence[Escalation]
    notify_url: str | None
    cancel_url: str | None
    tags: Sequence[str]
    metadata: Mapping[str, object]


def approvals(
    submit: Submit | None = None,
    **options: Unpack[ApprovalOptions],
) -> Callable[[Question], Awaitable[Decision]]:
    """Return the activity that `ask` and the adapters need: add it to the worker's activities.

    People see the tool, its arguments and the id of the call, on the page, in the inbox and in
    messages. Their vote names exactly that version.

    Args:
        submit: Sends the link of a question somewhere; not needed where `notify` or the inbox asks
            people. The model does not read its errors: they are in the worker's log.
        **options: See `ApprovalOptions`.

    Raises:
        ValueError: An option is invalid, or nobody could ever decide.
        TypeError: An option is unknown or has the wrong type, or `submit` is no function.

    Example:
        >>> Worker(client, task_queue="refunds", workflows=[Refunds], activities=[
        ...     refund, approvals(assignees=["group:finance"], notify=["slack:#finance"]),
        ... ])
    """
    _check_given(submit, options)

    @activity.defn(name=ACTIVITY)
    async def approve_tool_call(question: Question) -> Decision:
        subject = to_subject(question.call)
        try:
            merged = _merge(options, question)
            get_runtime()
            to_options(
                Decision,
                is_decision=True,
                title=subject.title,
                description=subject.description,
                details=subject.details,
                **merged,
            )
        except (ValueError, TypeError, OverflowError, NotWiredError) as exc:
            _refuse(exc)
        form = None if merged["require_form"] else question.form
        try:
            return await _ask_people(question.call, submit, form=form, options=merged)
        except GatewayRefusedError as exc:
            if exc.status in _PERMANENT:
                _refuse(exc)
            raise _to_failure(exc) from exc
        except RingbackError as exc:
            raise _to_failure(exc) from exc

    return approve_tool_call


def _check_given(submit: object, options: ApprovalOptions) -> None:
    unknown = options.keys() - ApprovalOptions.__annotations__.keys()
    if unknown:
        msg = f"approvals() has no option {min(unknown)}; see ApprovalOptions"
        raise TypeError(msg)
    if submit is not None and not callable(submit):
        msg = "approvals() takes a function that sends the link; name people by assignees="
        raise TypeError(msg)
    to_options(Decision, is_decision=True, **options)


def to_subject(call: ToolCall) -> Subject:
    """Return what people decide on: the details have the whole call.

    The title has the arguments, so that a list of questions or the subject of a mail tells two
    calls of a tool apart.
    """
    details: dict[str, object] = {"tool": call.tool, "arguments": call.arguments}
    if call.call_id is not None:
        details["call_id"] = call.call_id
    about = call.description and _cut(call.description, LONGEST_DESCRIPTION)
    shown = ", ".join(f"{_to_name(name)}: {_to_json(one)}" for name, one in call.arguments.items())
    title = f"May {call.tool} run? {shown}".rstrip()
    return Subject(_cut(title, LONGEST_TITLE), about, details)


async def _ask_people(
    call: ToolCall, submit: Submit | None, *, form: dict[str, Any] | None, options: Any
) -> Decision:
    subject, default = to_subject(call), Decision(approved=False, reason=NOBODY_DECIDED)

    async def send(callback: Callback) -> None:
        await _submit(submit, call, callback)

    async def send_without_form(callback: Callback) -> None:
        await _submit(submit, call, callback)
        # Later attempts do not submit, so that each question warns once.
        _logger.warning("nobody can change the arguments of a call: %s: %s", call.tool, refused)

    try:
        return await wait_for_decision(subject, send, form=form, on_deadline=default, **options)
    except GatewayRefusedError as exc:
        if form is None or exc.status not in _PERMANENT:
            raise
        refused = str(exc)
    # The schema may be valid for the tool, and the gateway unable to check answers by it.
    return await wait_for_decision(subject, send_without_form, on_deadline=default, **options)


async def _submit(submit: Submit | None, call: ToolCall, callback: Callback) -> None:
    if submit is None:
        return

    async def send() -> None:
        await finish_submit(submit(call, callback))

    failure = await caught(send())
    if failure is not None:
        raise _to_failure(failure) from failure


def _to_failure(error: Exception) -> ApplicationError:
    """Return an error without the text of `error`, which is its cause."""
    if not isinstance(error, ApplicationError):
        return ApplicationError(NOT_ASKED, type=type(error).__name__)
    return ApplicationError(
        NOT_ASKED,
        type=error.type,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        category=error.category,
    )


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _to_name(name: str) -> str:
    return name if name.isidentifier() else _to_json(name)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _merge(options: ApprovalOptions, question: Question) -> Any:
    # Several people approve the arguments that all of them see.
    is_one_enough = options.get("approvals", 1) == 1
    deadline = timedelta(seconds=question.within)
    merged: dict[str, Any] = {**options, "deadline": deadline, "require_form": not is_one_enough}
    if question.assignees is not None:
        merged["assignees"] = question.assignees
    if question.exclude:
        merged["exclude"] = [*options.get("exclude", ()), *question.exclude]
    return merged


def _refuse(error: Exception) -> NoReturn:
    msg = f"nobody can be asked: {error}"
    raise ApplicationError(msg, type=CANNOT_ASK, non_retryable=True) from error
