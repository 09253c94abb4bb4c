"""Replies. They contain no task token, and a link only if one was requested."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ringback.schemas.options import OptionsOut
from ringback.schemas.values import CallbackId

State = Annotated[str, Field(examples=["applied"])]
Url = Annotated[str, Field(repr=False, examples=["https://ring.example/c/k1.…"])]


class _EndingOut(BaseModel):
    """How an answer ends the activity, without its body."""

    id: str = Field(examples=["oc_0dj0q6nk5g1e2b3a4c5d6e7f8g"])
    kind: str = Field(description="completed, failed or canceled.", examples=["completed"])
    message: str | None = None
    type: str | None = None
    non_retryable: bool | None = None
    next_retry_delay: float | None = Field(None, description="In seconds.")


class OutcomeOut(_EndingOut):
    """The accepted answer, without its body."""

    accepted_at: datetime
    is_default: bool = Field(description="Whether it is the default answer.")
    tries: int
    last_error: str | None = Field(description="Why the latest delivery failed.")
    verdict_at: datetime | None
    proof: dict[str, Any] | None = Field(
        description="The proof of how it ended.", examples=[{"by": "reply"}]
    )


class HeartbeatOut(BaseModel):
    """The heartbeats of the latest attempt."""

    by: str = Field(description="sender or gateway.", examples=["sender"])
    timeout: float | None = Field(description="Its heartbeat timeout, in seconds.")
    heartbeat_received_at: datetime | None = Field(description="When the sender last sent one.")
    heartbeat_sent_at: datetime | None = Field(description="When Ringback last sent one.")
    heartbeat_due_at: datetime | None = Field(description="When Ringback sends the next one.")


class PollOut(BaseModel):
    """The polls of the sender by a worker."""

    every: float | None = Field(description="The interval, in seconds; null: only at the deadline.")
    due_at: datetime | None = Field(description="When Ringback requests the next one.")
    requested_at: datetime | None = Field(
        description="When the one was requested whose result is missing."
    )
    is_over: bool = Field(description="Whether no poll follows.")


class NotificationOut(BaseModel):
    """A message to a person or a channel."""

    channel: str = Field(examples=["mail"])
    recipient: str = Field(examples=["user:ada@example.org"])
    state: str = Field(description="waiting, sent, retrying or failed.", examples=["sent"])
    sent_at: datetime | None = Field(description="When the first message was sent.")
    reminded_at: datetime | None = Field(description="When the latest that asks was sent.")
    due_at: datetime | None = Field(description="When the next message or try is due.")
    tries: int = Field(description="The tries since the last success.")
    last_error: str | None


class StateOut(BaseModel):
    """A callback and its state."""

    id: CallbackId
    state: State


# Fields are in the order of the bases, the last one first.
class CallbackOut(OptionsOut, StateOut):
    """A callback, as an operator sees it."""

    namespace: str = Field(examples=["default"])
    workflow_id: str = Field(examples=["order-1"])
    run_id: str = Field(examples=["0199c1b2-6f1e-7d3a-9c55-0f0e4c1b2a3d"])
    activity_id: str = Field(examples=["5"])
    workflow_type: str = Field(examples=["Order"])
    activity_type: str = Field(examples=["charge"])
    task_queue: str = Field(examples=["orders"])
    generation: int
    attempt: int
    opened_at: datetime
    submitted_at: datetime | None
    deadline_at: datetime | None
    default_due_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_due_at: datetime | None
    paused_at: datetime | None
    heartbeat: HeartbeatOut
    poll: PollOut | None = Field(None, description="Null if the activity does not poll.")
    digest: str = Field(description="Names this version of title, description and details.")
    claimant: str | None = Field(description="The user who has claimed it.")
    ballots: dict[str, int] = Field(
        description="How many votes of each user were withdrawn, or removed by a reassignment:"
        " their next vote's `ballot`."
    )
    link_expires_at: datetime
    expired_at: datetime | None
    expired_because: str | None
    outcome: OutcomeOut | None


class ShownOut(CallbackOut):
    """A callback, with what its activity returns."""

    result_schema: dict[str, Any] | bool | None = Field(
        description="The JSON Schema that a result must meet; null if any JSON is accepted.",
        examples=[{"type": "object", "required": ["approved"]}],
    )
    result_example: Any = Field(
        description="A result that meets the schema; null without a schema or an example.",
        examples=[{"approved": True}],
    )
    notifications: list[NotificationOut] = Field([], description="The messages to people about it.")


class PageOut(BaseModel):
    """A page of a list."""

    callbacks: list[CallbackOut]
    next: str | None = Field(description="The `after` of the next page; null at the end.")


class AuditEntryOut(BaseModel):
    """An entry of the audit trail of a callback."""

    at: datetime
    kind: str = Field(examples=["opened"])
    facts: dict[str, Any] = Field(repr=False, examples=[{"attempt": 1}])


class AuditTrailOut(BaseModel):
    """The audit trail of a callback, oldest entry first."""

    entries: list[AuditEntryOut]


class AnswerOut(_EndingOut):
    """An answer with which the attempt may end."""

    body: Any = Field(None, repr=False, description="Result or details; absent if there are none.")


class OpenedOut(BaseModel):
    """The callback of the activity."""

    id: CallbackId = Field(
        description="Use it as the idempotency key of your request to the sender."
    )
    url: Url = Field(
        repr=False, description="The link: anyone who has it may answer. Keep it out of logs."
    )
    state: State
    submitted: bool
    answered: bool
    next: str = Field(
        description="What the attempt must do next: submit, poll, wait or return.",
        examples=["submit"],
    )
    deadline: datetime | None
    answer: AnswerOut | None = Field(description="The answer, if one was accepted.")


class WhoamiOut(BaseModel):
    """The API key that was sent, and the gateway that checked it."""

    key: str = Field(description="The id of the key.")
    name: str
    role: str = Field(description="worker, operator or viewer.", examples=["worker"])
    version: str = Field(description="The version of the gateway.")
    namespace: str = Field(description="The Temporal namespace that the gateway serves.")


class LinkOut(BaseModel):
    """A new link. It is a credential: anyone who has it may answer."""

    url: Url
    allows: list[str] = Field(examples=[["complete", "view"]])
    expires_at: datetime


class ResultProblemOut(BaseModel):
    """One problem of a result."""

    pointer: str = Field(description="The place in the result, as a JSON Pointer.")
    detail: str


class CheckedOut(BaseModel):
    """The problems of a checked result."""

    problems: list[ResultProblemOut] = Field(description="Empty if the result would be accepted.")


class ViewOut(BaseModel):
    """A callback, as the holder of a link sees it."""

    callback: CallbackId
    state: State
    title: str | None
    description: str | None = Field(repr=False)
    details: dict[str, Any] = Field(repr=False)
    digest: str = Field(description="Names this version of title, description and details.")
    metadata: dict[str, Any] = Field(repr=False)
    activity_type: str
    opened_at: datetime
    waiting: bool | None = Field(
        description="Whether the activity waits now; null if Temporal did not say."
    )
    deadline: datetime | None
    cancel_requested: bool
    paused: bool
    accepted_at: datetime | None
    outcome: str | None = Field(description="completed, failed or canceled.")
    reason: str | None = Field(description="Why no answer ended the activity.")
    allows: list[str] = Field(examples=[["complete", "view"]])
    link_expires_at: datetime
    result_schema: dict[str, Any] | bool | None
    examples: dict[str, str] = Field(
        repr=False, description="A command for each way to answer that is allowed now."
    )


class HealthOut(BaseModel):
    """The reply to a liveness probe."""

    status: str = Field(examples=["ok"])


class ReadyOut(BaseModel):
    """The reply to a readiness probe."""

    status: str = Field(examples=["ready"])
    store: str = Field(examples=["ok"])
    temporal: str | None = Field(
        None, description="ok, unreachable or misconfigured.", examples=["ok"]
    )


class ReceiptOut(BaseModel):
    """The reply to an answer."""

    callback: CallbackId
    state: State
    accepted_at: datetime
    duplicate: bool
    status_url: str = Field(
        examples=["https://ring.example/v1/callbacks/cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"]
    )


class SignOut(BaseModel):
    """The reply to a heartbeat."""

    cancel_requested: bool
    paused: bool
    reset: bool
    deadline: datetime | None


class ProblemOut(BaseModel, extra="allow"):
    """Problem details (RFC 9457). Some types have more members, such as `errors`."""

    type: str = Field(examples=["urn:ringback:unknown-callback"])
    title: str = Field(examples=["unknown callback"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no callback cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"])


class ResultOut(BaseModel):
    """How one of many answers ended."""

    callback: CallbackId | None = Field(description="Null if an alias leads to none.")
    alias: str | None = Field(None, description="The alias of the answer, if it had one.")
    status: int = Field(
        description="The HTTP status of the same answer sent alone.", examples=[202]
    )
    receipt: ReceiptOut | None = None
    problem: ProblemOut | None = None


class ResultsOut(BaseModel):
    """How many answers ended, in their order."""

    results: list[ResultOut]
