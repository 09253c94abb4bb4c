"""What the operator API tells: never a task token, never a link that was not asked for."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ringback.core.shown import shown_callback, shown_event
from ringback.domain.callback import Callback
from ringback.domain.event import Event


class OutcomeOut(BaseModel):
    """The answer that won, without its body."""

    id: str
    kind: str = Field(description="completed, failed or canceled.")
    message: str | None = None
    type: str | None = None
    non_retryable: bool | None = None
    next_retry_delay: float | None = Field(default=None, description="In seconds.")
    accepted_at: datetime
    is_default: bool = Field(description="Nobody gave it: it was taken at the deadline.")
    tries: int
    trouble: str | None = Field(description="Why the latest delivery did not end.")
    verdict_at: datetime | None
    proof: dict[str, Any] | None = Field(description="What shows how it ended.")


class HeartbeatOut(BaseModel):
    """The signs of life of the latest attempt."""

    by: str = Field(description="Who keeps it alive: outside or keep.")
    timeout: float | None = Field(description="Its heartbeat time-out, in seconds.")
    noted_at: datetime | None = Field(description="When the outside gave its last sign of life.")
    beaten_at: datetime | None = Field(description="When Temporal was told the last one.")
    beat_due_at: datetime | None = Field(description="When it is told the next one.")


class CallbackOut(BaseModel):
    """A callback, as an operator sees it."""

    model_config = ConfigDict(extra="forbid")

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
    round: int
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


class PageOut(BaseModel):
    """A page of a list."""

    callbacks: list[CallbackOut]
    next: str | None = Field(description="Ask `after` this for what follows; null at the end.")


class EventOut(BaseModel):
    """One thing that happened to a callback."""

    at: datetime
    kind: str
    facts: dict[str, Any] = Field(repr=False)


class EventsOut(BaseModel):
    """What happened to a callback, oldest first."""

    events: list[EventOut]


class AnswerOut(BaseModel):
    """An answer, as an attempt may end with it."""

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

    id: str = Field(description="Fit as an idempotency key for the request to the outside party.")
    url: str = Field(
        repr=False, description="The link: whoever holds it may answer. Keep it out of logs."
    )
    state: str
    submitted: bool
    answered: bool
    next: str = Field(description="What the attempt does now: submit, wait or return.")
    deadline: datetime | None
    answer: AnswerOut | None = Field(description="The answer, if there is one already.")


class LinkOut(BaseModel):
    """A new link: a credential; whoever has it may answer."""

    url: str = Field(repr=False)
    allows: list[str]
    expires_at: datetime


class ReceiptOut(BaseModel):
    """What the sender of an answer is told."""

    callback: str
    state: str
    accepted_at: datetime
    duplicate: bool
    status_url: str


class SignOut(BaseModel):
    """What the sender of a heartbeat is told."""

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
    """What became of one of many answers."""

    callback: str
    status: int = Field(description="The status that it would have got alone.")
    receipt: ReceiptOut | None = None
    problem: ProblemOut | None = None


class ResultsOut(BaseModel):
    """What became of many answers, in their order."""

    results: list[ResultOut]


def to_callback_out(callback: Callback) -> CallbackOut:
    """Return what an operator may see of `callback`."""
    return CallbackOut.model_validate(shown_callback(callback))


def to_event_out(event: Event) -> EventOut:
    """Return what an operator may see of `event`."""
    return EventOut.model_validate(shown_event(event))
