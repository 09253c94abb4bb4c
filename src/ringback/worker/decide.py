"""`wait_for_decision`: an activity asks people to approve or reject."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Unpack

from temporalio.exceptions import ApplicationError

from ringback.domain.options import CallbackOptions
from ringback.domain.subject import Subject
from ringback.worker.attempt import wait_async, wait_sync
from ringback.worker.callback import Callback
from ringback.worker.decision import Decision
from ringback.worker.options import UNSET, DecisionOptions, Unset, to_options


async def wait_for_decision(
    subject: Subject,
    submit: Callable[[Callback], Awaitable[None]] | None = None,
    *,
    form: object = None,
    on_deadline: Decision | ApplicationError | Unset = UNSET,
    resubmit: bool = False,
    resume: bool = False,
    **options: Unpack[DecisionOptions],
) -> Decision:
    """Ask people to approve or reject, and end the activity with what they decide.

    Like `wait_for_callback`, it usually does not return: the attempt completes asynchronously, and
    the gateway delivers the decision. A rejection is a result, unless `on_reject="fail"`.

    People decide on the callback's page, in the inbox, in chat, or by `ringback approve`. Without
    `assignees`, whoever holds the link decides.

    Args:
        subject: What they decide on. Each vote names the version that its voter saw.
        submit: Sends the link of the committed callback somewhere; not needed where `notify` or the
            inbox asks people.
        form: What they fill in beside a yes: a dataclass, a pydantic model, or a JSON Schema as a
            dict. `Decision.form` has it.
        on_deadline: The decision or the failure if nobody has decided before the deadline, or
            shortly before Temporal's timeout of the attempt.
        resubmit: Whether a later attempt submits again although `submit` has returned before.
        resume: Whether the function continues with the decision. Needs a retry policy that allows
            another attempt, and `attempts="any"`.
        **options: See `DecisionOptions` and `BaseOptions`.

    Raises:
        ApplicationError: The decision is a failure; or the activity is local, returns another type
            than `Decision`, belongs to an agent framework, or has no attempt left to `resume`.
        NotWiredError: The worker has no `RingbackPlugin`.
        ValueError: An option is invalid, or nobody could ever decide.
        TypeError: The subject or `on_deadline` cannot be encoded as JSON.
        GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        GatewayRefusedError: The gateway rejected the request; the message says why.

    Example:
        >>> return await wait_for_decision(
        ...     Subject("Order 17", details={"euros": 250}),
        ...     assignees=["group:finance"],
        ...     exclude=["ada@example.org"],
        ...     approvals=2,
        ... )
    """
    asked_for = _to_decision_options(subject, on_deadline, resume=resume, **options)
    work = submit or _submit_nothing
    return await wait_async(work, Decision, asked_for, schema=form, resubmit=resubmit)


def wait_for_decision_sync(
    subject: Subject,
    submit: Callable[[Callback], None] | None = None,
    *,
    form: object = None,
    on_deadline: Decision | ApplicationError | Unset = UNSET,
    resubmit: bool = False,
    resume: bool = False,
    **options: Unpack[DecisionOptions],
) -> Decision:
    """Do what `wait_for_decision` does, in an activity that runs in a thread.

    Raises:
        ApplicationError: The decision is a failure; or the activity is local, returns another type
            than `Decision`, belongs to an agent framework, or has no attempt left to `resume`.
        NotWiredError: The worker has no `RingbackPlugin`.
        ValueError: An option is invalid, or nobody could ever decide.
        TypeError: The subject or `on_deadline` cannot be encoded as JSON.
        GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        GatewayRefusedError: The gateway rejected the request; the message says why.
    """
    asked_for = _to_decision_options(subject, on_deadline, resume=resume, **options)
    work = submit or (lambda _: None)
    return wait_sync(work, Decision, asked_for, schema=form, resubmit=resubmit)


def _to_decision_options(
    subject: Subject,
    on_deadline: Decision | ApplicationError | Unset,
    *,
    resume: bool,
    **options: Unpack[DecisionOptions],
) -> CallbackOptions:
    if isinstance(on_deadline, Decision):
        on_deadline = replace(on_deadline, is_default=True)
    return to_options(
        Decision,
        on_deadline,
        resume=resume,
        is_decision=True,
        title=subject.title,
        description=subject.description,
        details=subject.details,
        **options,
    )


async def _submit_nothing(_: Callback) -> None:
    """Submit nothing: notifications or the inbox ask people."""
