"""Requests that send answers, and waiting for what becomes of one."""

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from ringback.schemas.values import Json, Text

MOST_ANSWERS: Final = 1000


class AnswerIn(BaseModel, extra="forbid"):
    """One of many answers, to a callback or to the callback that an alias leads to."""

    callback: Text | None = Field(None, description="The callback's id.")
    alias: Text | None = Field(None, description="An alias, instead of the id.")
    verb: Literal["complete", "fail", "cancel"]
    body: Json = Field(
        None,
        repr=False,
        description="The body that `POST …/{verb}` accepts; leave it out for none.",
    )

    @model_validator(mode="after")
    def _has_one_name(self) -> Self:
        if (self.callback is None) is (self.alias is None):
            msg = "name the callback by `callback` or by `alias`"
            raise ValueError(msg)
        return self


class AnswersIn(BaseModel, extra="forbid"):
    """Many answers."""

    answers: list[AnswerIn] = Field(min_length=1, max_length=MOST_ANSWERS)


class HeartbeatOut(BaseModel):
    """The heartbeats of the latest attempt."""

    by: str = Field(description="sender or gateway.", examples=["sender"])
    timeout: float | None = Field(description="Its heartbeat timeout, in seconds.")
    heartbeat_received_at: datetime | None = Field(
        description="When the sender last sent a heartbeat."
    )
    heartbeat_sent_at: datetime | None = Field(
        description="When Ringback last sent one to Temporal."
    )
    heartbeat_due_at: datetime | None = Field(description="When Ringback sends the next one.")


class PollOut(BaseModel):
    """The polls of the sender by a worker."""

    every: float | None = Field(description="The interval, in seconds; null: only at the deadline.")
    due_at: datetime | None = Field(description="When Ringback requests the next one.")
    requested_at: datetime | None = Field(
        description="When the one was requested whose result is missing."
    )
    is_over: bool = Field(description="Whether no poll follows.")
