"""Options of `wait_for_callback`, `open_callback` and `wait_for_decision`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypedDict

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ringback.domain.durations import check_duration
from ringback.domain.options import CallbackOptions, check_options
from ringback.domain.outcome import Completed, Failed
from ringback.domain.policy import (
    Policy,
)
from ringback.domain.policy_checks import (
    Escalation,
)
from ringback.worker.answer import read_json, to_failed, to_json

WhichAttempts: TypeAlias = Literal["any", "current"]
HeartbeatsFrom: TypeAlias = Literal["sender", "gateway"]


class BaseOptions(TypedDict, total=False):
    """Options of every wait; all are optional.

    Attributes:
        deadline: How long the sender has, from the first opening on; a shorter timeout of Temporal
            wins. After it, the activity ends with `on_deadline`.
        attempts: `any`: an answer ends whichever attempt is running, and all attempts share one
            callback. `current`: it ends only the attempt that opened the callback; a later attempt
            opens a new one.
        follow_reset: Whether the callback stays valid when the workflow is reset to a point where
            this activity waits. Otherwise the new run opens a new callback. A callback never
            follows continue-as-new.
        heartbeat: Who heartbeats for an activity with a heartbeat timeout: the `sender` or the
            `gateway`.
        cancel_within: How long the sender has to report a requested cancellation; after it, the
            gateway ends the activity as canceled. Without it, the activity waits for the report.
        cancel_url: Receives a signed webhook when the answer is no longer needed: the activity was
            asked to cancel, or it accepts no more answers.
        notify_url: Receives a signed webhook for every change of the callback.
        assignees: The people who may answer, as `user:ada@example.org` and `group:finance`; at
            least one, or leave it out. They answer on the page, in the inbox or in chat, and the
            first answer counts.
        exclude: Users who may not answer, such as the one who requested it.
        link_decides: Whether holders of the link may answer too, where people are named.
        notify: Channels through which they are asked: `mail`, `slack:#finance`, or a name that the
            gateway's operator configured.
        remind_every: How often they are reminded.
        escalate: More people who are asked if there is no answer after a while.
        tags: Labels for searching.
        aliases: Business keys such as `github:run:42`, by which systems without the link answer,
            at most 20. Only one callback that has not ended can have an alias. A later attempt adds
            its own, and those of earlier attempts remain.
        metadata: Plain JSON with your own keys. Everybody with the link sees it, so keep secrets
            and internal notes out of it.
    """

    deadline: timedelta | None
    attempts: WhichAttempts
    follow_reset: bool
    heartbeat: HeartbeatsFrom
    cancel_within: timedelta | None
    cancel_url: str | None
    notify_url: str | None
    assignees: Sequence[str]
    exclude: Sequence[str]
    link_decides: bool | None
    notify: Sequence[str]
    remind_every: timedelta | None
    escalate: Sequence[Escalation]
    tags: Sequence[str]
    aliases: Sequence[str]
    metadata: Mapping[str, object]


class WaitOptions(BaseOptions, total=False):
    """Options of `wait_for_callback` and `open_callback`, in addition to `BaseOptions`.

    Attributes:
        title: What is asked, in a few words, for people. Everybody with the link sees it.
        description: More about it, in Markdown. Pages show a safe subset of it.
        details: Plain JSON about it, which pages and messages show as a table. Everybody with the
            link sees it.
    """

    title: str | None
    description: str | None
    details: Mapping[str, object]


class DecisionOptions(BaseOptions, total=False):
    """Options of `wait_for_decision`, in addition to `BaseOptions`.

    Attributes:
        approvals: How many distinct people must approve, or `majority` of the assignees, who must
            be users then. Default 1.
        veto: Whether one rejection rejects, which is the default. Otherwise people reject together
            once approval can no longer be reached.
        require_reason: When a vote needs a reason: `never`, `rejection` or `always`.
        on_reject: Whether a rejection is a `result`, or makes the activity `fail` with the
            non-retryable type "ApprovalDenied".
        require_form: Whether a yes needs the form, where there is one. Without it, `Decision.form`
            is `None` if nobody filled it in. It needs `approvals=1`. Default: yes.
    """

    approvals: int | Literal["majority"]
    veto: bool
    require_reason: Literal["never", "rejection", "always"]
    on_reject: Literal["result", "fail"]
    require_form: bool


_RULES: Final = frozenset(one.name for one in fields(Policy))
"""The options that are a part of the policy."""


class Unset(Enum):
    """The type of `UNSET`: an option that was not given, as opposed to `None`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


def to_options(
    result_type: object,
    on_deadline: object = UNSET,
    *,
    resume: bool = False,
    is_decision: bool = False,
    **given: Any,
) -> CallbackOptions:
    """Validate the options of an activity.

    Args:
        result_type: The type of the answer; `object` for any JSON.
        on_deadline: The default answer.
        resume: Whether the activity continues with the answer.
        is_decision: Whether people approve or reject.
        **given: `WaitOptions` or, for a decision, these and `DecisionOptions`.

    Raises:
        ValueError: An option is invalid; the message names it and says why.
        TypeError: An option has the wrong type, or cannot be encoded as JSON.
        Exception: What the converter raises if it cannot read `on_deadline` as `result_type`.
    """
    plain: dict[str, Any] = {**given, "resume": resume}
    for name in ("details", "metadata"):
        if name in plain:
            plain[name] = json.loads(json.dumps(dict(plain[name]), allow_nan=False))
    rules = {name: plain.pop(name) for name in _RULES if name in plain}
    if "assignees" in rules and len(rules["assignees"]) == 0:
        # Such as a list that was computed: it names nobody, and anybody with the link would answer.
        msg = "assignees is empty; name somebody, or leave it out so that link holders may answer"
        raise ValueError(msg)
    if rules or is_decision:
        plain["policy"] = {**Policy(is_decision=is_decision).to_plain(), **rules}
    if "escalate" in plain:
        plain["escalate"] = [step.to_plain() for step in plain["escalate"]]
    check_options(plain)
    default = None if on_deadline is UNSET else to_answer(on_deadline, result_type)
    return CallbackOptions.from_plain(plain, default)


def to_answer(value: object, result_type: object) -> Completed | Failed:
    """Return `value` as the answer of the activity; an `ApplicationError` is a failure.

    Raises:
        TypeError: It cannot be encoded as JSON.
        Exception: What the converter raises if it cannot read it as `result_type`.
    """
    if isinstance(value, ApplicationError):
        check_duration("next_retry_delay", value.next_retry_delay, may_be_zero=True)
        return to_failed(value, _to_json)
    body = _to_json(value)
    # Otherwise the workflow would fail on it, which is too late.
    read_json(body, result_type)
    return Completed(body)


def _to_json(value: object) -> bytes:
    return to_json(value, activity.payload_converter())
