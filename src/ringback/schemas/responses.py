"""Replies: never a task token, never a link that was not asked for."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ringback.schemas import examples


def _shows(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class OutcomeOut(BaseModel):
    """The answer that won, without its body."""

    id: str
    kind: str = Field(description="completed, failed or canceled.")
    message: str | None = None
    type: str | None = None
    non_retryable: bool | None = None
    next_retry_delay: float | None = Field(default=None, description="In seconds.")
    accepted_at: datetime
    is_default: bool = Field(description="Nobody answered: it is the default.")
    tries: int
    last_error: str | None = Field(description="Why the latest delivery failed.")
    verdict_at: datetime | None
    proof: dict[str, Any] | None = Field(description="What shows how it ended.")


class HeartbeatOut(BaseModel):
    """The heartbeats of the latest attempt."""

    by: str = Field(description="Who heartbeats: outside or keep.")
    timeout: float | None = Field(description="Its heartbeat timeout, in seconds.")
    heartbeat_received_at: datetime | None = Field(
        description="When the sender last sent a heartbeat."
    )
    heartbeat_sent_at: datetime | None = Field(
        description="When Ringback last sent one to Temporal."
    )
    heartbeat_due_at: datetime | None = Field(description="When Ringback sends the next one.")


class CallbackOut(BaseModel):
    """A callback, as an operator sees it."""

    model_config = ConfigDict(extra="forbid", **_shows(examples.CALLBACK))

    id: str
    state: str
    title: str | None
    tags: list[str]
    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str
    workflow_type: str
    activity_type: str
    task_queue: str
    generation: int
    attempt: int
    opened_at: datetime
    submitted_at: datetime | None
    deadline_at: datetime | None
    default_due_at: datetime | None
    attempts: str
    cancel_requested_at: datetime | None
    cancel_due_at: datetime | None
    paused_at: datetime | None
    heartbeat: HeartbeatOut
    metadata: dict[str, Any] = Field(repr=False)
    link_expires_at: datetime
    expired_at: datetime | None
    expired_because: str | None
    outcome: OutcomeOut | None


class ShownOut(CallbackOut):
    """A callback, with what its activity returns."""

    model_config = ConfigDict(**_shows(examples.SHOWN))

    result_schema: dict[str, Any] | bool | None = Field(
        description="The JSON Schema that a result must meet; null if any JSON will do."
    )
    result_example: Any = Field(
        description="A result that meets the schema; null if there is no schema or no example."
    )


class PageOut(BaseModel):
    """A page of a list."""

    model_config = _shows(examples.PAGE)

    callbacks: list[CallbackOut]
    next: str | None = Field(description="The `after` of the next page; null at the end.")


class EventOut(BaseModel):
    """One thing that happened to a callback."""

    at: datetime
    kind: str
    facts: dict[str, Any] = Field(repr=False)


class EventsOut(BaseModel):
    """What happened to a callback, oldest first."""

    model_config = _shows(examples.EVENTS)

    events: list[EventOut]


class AnswerOut(BaseModel):
    """An answer, as an attempt may end with it."""

    id: str = Field(description="The id of the outcome.")
    kind: str = Field(description="completed, failed or canceled.")
    body: Any = Field(
        default=None, repr=False, description="Result or details; absent if there are none."
    )
    message: str | None = None
    type: str | None = None
    non_retryable: bool | None = None
    next_retry_delay: float | None = Field(default=None, description="In seconds.")


class OpenedOut(BaseModel):
    """The callback of the activity that asked."""

    model_config = _shows(examples.OPENED)

    id: str = Field(description="Use it as the idempotency key of your request to the sender.")
    url: str = Field(
        repr=False, description="The link: whoever holds it may answer. Keep it out of logs."
    )
    state: str
    submitted: bool
    answered: bool
    next: str = Field(description="What the attempt does now: submit, wait or return.")
    deadline: datetime | None
    answer: AnswerOut | None = Field(description="The answer, if there is one already.")


class WhoamiOut(BaseModel):
    """The API key that was sent, and the gateway that checked it."""

    model_config = _shows(examples.WHOAMI)

    key: str = Field(description="The id of the key.")
    name: str
    role: str = Field(description="worker, operator or viewer.")
    version: str = Field(description="The version of the gateway.")
    namespace: str = Field(description="The Temporal namespace that the gateway serves.")


class LinkOut(BaseModel):
    """A new link: a credential; whoever has it may answer."""

    model_config = _shows(examples.LINKED)

    url: str = Field(repr=False)
    allows: list[str]
    expires_at: datetime


class ResultProblemOut(BaseModel):
    """One thing that is wrong with a result."""

    pointer: str = Field(description="Where: a JSON Pointer into the result.")
    detail: str


class CheckedOut(BaseModel):
    """What is wrong with a result that was checked."""

    model_config = _shows(examples.CHECKED)

    problems: list[ResultProblemOut] = Field(description="Empty if the activity returns such.")


class ReceiptOut(BaseModel):
    """The reply to an answer."""

    model_config = _shows(examples.RECEIPT)

    callback: str
    state: str
    accepted_at: datetime
    duplicate: bool
    status_url: str


class SignOut(BaseModel):
    """The reply to a heartbeat."""

    model_config = _shows(examples.SIGN)

    cancel_requested: bool
    paused: bool
    reset: bool
    deadline: datetime | None


class ProblemOut(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class ResultOut(BaseModel):
    """How one of many answers ended."""

    callback: str
    status: int = Field(description="The status that it would have had alone.")
    receipt: ReceiptOut | None = None
    problem: ProblemOut | None = None


class ResultsOut(BaseModel):
    """How many answers ended, in their order."""

    model_config = _shows(examples.RESULTS)

    results: list[ResultOut]
