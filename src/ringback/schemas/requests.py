"""Requests: parameters and bodies."""

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from ringback.domain.callback import State
from ringback.domain.durations import later
from ringback.domain.link import Verb
from ringback.schemas.options import DefaultAnswer, OptionsIn
from ringback.schemas.values import ID_PATTERN, Duration, Json, Name, TaskToken, Text, Timeout

MOST_LISTED: Final = 1000
MOST_ANSWERS: Final = 1000


class ListIn(BaseModel, extra="forbid"):
    """Filters of the list; a callback must meet all of them."""

    state: list[Literal["open", "accepted", "applied", "superseded", "parked", "expired"]] = Field(
        [],
        max_length=len(State),
        description="In one of these states; by default, those that have not ended.",
    )
    workflow_id: Text | None = Field(None, description="Of the workflow with this id.")
    workflow_type: Text | None = Field(None, description="Of workflows of this type.")
    activity_type: Text | None = Field(None, description="Of activities of this type.")
    tag: Text | None = Field(None, description="With this tag.")
    alias: Text | None = Field(None, description="With this alias, now or before it ended.")
    opened_after: AwareDatetime | None = Field(None, description="Opened at this time or later.")
    opened_before: AwareDatetime | None = Field(None, description="Opened before this time.")
    older_than: Duration | None = Field(
        None, description="Opened at least this long ago: seconds, or `PT90M`."
    )
    overdue: bool = Field(default=False, description="Only open ones whose deadline has passed.")
    after: str | None = Field(
        None, pattern=ID_PATTERN, description="The `next` of the page before."
    )
    limit: int = Field(100, ge=1, le=MOST_LISTED, description="The length of the page.")


class InfoIn(BaseModel, extra="forbid", title="AttemptInfo"):
    """Facts of the attempt that the SDK knows: with them, opening needs no request to Temporal.

    Leave it out where the SDK cuts instants to milliseconds, as those of TypeScript and Go do.
    """

    workflow_type: Text = Field("", description="Empty for a standalone activity.")
    activity_type: Name
    task_queue: Name
    scheduled_at: AwareDatetime = Field(description="When the activity was first scheduled.")
    started_at: AwareDatetime = Field(description="When the attempt was started.")
    schedule_to_close_timeout: Timeout | None = None
    start_to_close_timeout: Timeout | None = None
    heartbeat_timeout: Timeout | None = None

    @property
    def timeout_at(self) -> datetime | None:
        """When Temporal times out the attempt; `None` if it never does."""
        ends = []
        if self.schedule_to_close_timeout:
            ends.append(later(self.scheduled_at, self.schedule_to_close_timeout))
        if self.start_to_close_timeout:
            ends.append(later(self.started_at, self.start_to_close_timeout))
        return min(ends, default=None)


class ActivityIn(BaseModel, extra="forbid", title="Activity"):
    """The attempt that opens the callback, as every SDK names it."""

    namespace: Name = Field(description="Temporal's namespace.")
    workflow_id: Text = Field(
        "", description="The workflow of the activity; leave it out for a standalone one."
    )
    run_id: Name = Field(description="The workflow's run; a standalone activity's own.")
    activity_id: Name = Field(description="The activity's id.")
    attempt: int = Field(
        strict=True, ge=1, le=2**31 - 1, description="The number of the attempt, from 1."
    )
    task_token: TaskToken = Field(
        description="The task token of the attempt. It is stored, and never returned.", repr=False
    )
    info: InfoIn | None = Field(
        None, description="Further facts from the SDK, exact to the microsecond."
    )


class OpenIn(BaseModel, extra="forbid", title="Opening"):
    """A request for the callback of an activity."""

    activity: ActivityIn
    options: OptionsIn = OptionsIn()
    worker: Name | None = Field(
        None, description="The identity of the worker in history: it returns an answer inline."
    )

    @model_validator(mode="after")
    def _can_resume(self) -> Self:
        if self.options.resume and self.worker is None:
            msg = "resume needs `worker`: the attempt that continues gets the answer inline"
            raise ValueError(msg)
        return self


class ResumedIn(BaseModel, extra="forbid"):
    """A report that an attempt continues with its answer."""

    attempt: int = Field(strict=True, ge=1, le=2**31 - 1, description="The attempt's number.")


class PolledIn(BaseModel, extra="forbid"):
    """What an attempt reports of its poll: an answer, an error, or neither: not yet."""

    attempt: int = Field(strict=True, ge=1, le=2**31 - 1, description="The attempt's number.")
    task_token: TaskToken = Field(
        repr=False, description="The task token of the attempt, with which it opened the callback."
    )
    answer: DefaultAnswer | None = Field(
        None, repr=False, description="The answer that the poll found."
    )
    error: Name | None = Field(
        None, description="The type of the error, if the poll failed; no message."
    )


class ExtendIn(BaseModel, extra="forbid"):
    """A request for more time."""

    within: Duration = Field(description="How long an answer may take, from now.")


class GiveUpIn(BaseModel, extra="forbid"):
    """A request to give a parked answer up. The audit trail has the name and the reason."""

    by: Name | None = Field(
        None, description="Who decided; not authenticated. The API key is named as well."
    )
    reason: Name | None = Field(None, description="Why, in a sentence.")
    temporal_is_gone: bool = Field(
        default=False,
        strict=True,
        description="You know that the Temporal server or the namespace that ran the activity does"
        " not exist any more. Without it, a Temporal that did not run the activity gets 503.",
    )


class LinkIn(BaseModel, extra="forbid"):
    """A request for a link, which allows at most what the activity's own link allows."""

    verbs: list[Literal["complete", "fail", "heartbeat", "cancel", "view"]] | None = Field(
        None,
        min_length=1,
        max_length=len(Verb),
        description="What it allows; by default, the same as the activity's own link.",
    )
    good_for: Duration | None = Field(
        None, alias="for", description="How long it is valid, from now."
    )


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
