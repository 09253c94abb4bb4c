"""Requests: parameters and bodies."""

from typing import Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ringback.domain.alias import MOST_ALIASES
from ringback.domain.callback import State
from ringback.domain.link import Verb
from ringback.domain.options import (
    LONGEST_TITLE,
    MOST_CHANNELS,
    MOST_TAGS,
    check_combinations,
    check_option,
)
from ringback.domain.policy_checks import (
    MOST_ESCALATIONS,
)
from ringback.domain.subject import LONGEST_DESCRIPTION
from ringback.schemas import examples
from ringback.schemas.values import ID_PATTERN, Duration, Json, Name, TaskToken, Text, Timeout
from ringback.schemas.votes import EscalationIn, PolicyIn

MOST_LISTED: Final = 1000
LONGEST_SCHEMA: Final = 64 * 1024
"""Maximum length of a result schema as JSON."""


class ListIn(BaseModel):
    """Filters of the list; a callback must meet all of them."""

    model_config = ConfigDict(extra="forbid")

    state: list[Literal["open", "accepted", "applied", "superseded", "parked", "expired"]] = Field(
        default=[],
        max_length=len(State),
        description="In one of these states; by default, those that have not ended.",
    )
    workflow_id: Text | None = Field(default=None, description="Of the workflow with this id.")
    workflow_type: Text | None = Field(default=None, description="Of workflows of this type.")
    activity_type: Text | None = Field(default=None, description="Of activities of this type.")
    tag: Text | None = Field(default=None, description="With this tag.")
    alias: Text | None = Field(default=None, description="With this alias, now or before it ended.")
    opened_after: AwareDatetime | None = Field(
        default=None, description="Opened at this time or later."
    )
    opened_before: AwareDatetime | None = Field(
        default=None, description="Opened before this time."
    )
    older_than: Duration | None = Field(
        default=None, description="Opened at least this long ago: seconds, or `PT90M`."
    )
    overdue: bool = Field(default=False, description="Only open ones whose deadline has passed.")
    after: str | None = Field(
        default=None, pattern=ID_PATTERN, description="The `next` of the page before."
    )
    limit: int = Field(default=100, ge=1, le=MOST_LISTED, description="The length of the page.")


class InfoIn(BaseModel):
    """Facts of the attempt that the SDK knows: with them, opening needs no request to Temporal.

    Leave it out where the SDK cuts instants to milliseconds, as those of TypeScript and Go do.
    """

    model_config = ConfigDict(extra="forbid", title="AttemptInfo")

    workflow_type: Text = Field(default="", description="Empty for a standalone activity.")
    activity_type: Name
    task_queue: Name
    scheduled_at: AwareDatetime = Field(description="When the activity was first scheduled.")
    started_at: AwareDatetime = Field(description="When the attempt was started.")
    schedule_to_close_timeout: Timeout | None = None
    start_to_close_timeout: Timeout | None = None
    heartbeat_timeout: Timeout | None = None


class ActivityIn(BaseModel):
    """The attempt that opens the callback, as every SDK names it."""

    model_config = ConfigDict(extra="forbid", title="Activity")

    namespace: Name = Field(description="Temporal's namespace.")
    workflow_id: Text = Field(
        default="", description="The workflow of the activity; leave it out for a standalone one."
    )
    run_id: Name = Field(description="The workflow's run; a standalone activity's own.")
    activity_id: Name = Field(description="The activity's id.")
    attempt: int = Field(
        strict=True, ge=1, le=2**31 - 1, description="The number of the attempt, from 1."
    )
    task_token: TaskToken = Field(
        description="The task token of the attempt. It is stored, and never returned.",
        repr=False,
    )
    info: InfoIn | None = Field(
        default=None, description="Further facts from the SDK, exact to the microsecond."
    )


class DefaultAnswer(BaseModel):
    """The answer that ends the activity if none arrives in time."""

    model_config = ConfigDict(extra="forbid")

    verb: Literal["complete", "fail"]
    body: Json = Field(
        default=None, repr=False, description="The body that `POST /c/{link}/{verb}` accepts."
    )


def to_plain(value: Any) -> Any:
    """Return a validated value of an option as plain values."""
    match value:
        case BaseModel():
            return value.model_dump()
        case list():
            return [to_plain(one) for one in value]
        case _:
            return value


class OptionsIn(BaseModel):
    """Options of the callback; all of them are optional."""

    model_config = ConfigDict(extra="forbid", title="Options")

    deadline: Duration | None = Field(
        default=None, description="How long an answer may take, from the first opening."
    )
    on_deadline: DefaultAnswer | None = Field(
        default=None,
        repr=False,
        description="The answer that ends the activity if none arrives in time.",
    )
    attempts: Literal["any", "current"] = Field(
        default="any",
        description="Which attempt an answer may end: any, or only the one that opened it.",
    )
    resume: bool = Field(
        default=False,
        strict=True,
        description="Whether the activity continues with the answer in a new attempt, which gets it"
        " inline. Needs `worker`, and a retry policy that allows another attempt.",
    )
    follow_reset: bool = Field(
        default=False,
        strict=True,
        description="Whether the callback continues after a reset of the workflow.",
    )
    heartbeat: Literal["sender", "gateway"] = Field(
        default="sender", description="Whether the gateway or the sender heartbeats."
    )
    cancel_within: Duration | None = Field(
        default=None, description="How long the sender may take to report a cancellation."
    )
    cancel_url: Text | None = Field(
        default=None,
        repr=False,
        description="Receives a webhook when the answer is no longer needed.",
    )
    notify_url: Text | None = Field(
        default=None, repr=False, description="Receives a webhook for every change of the callback."
    )
    title: Text | None = Field(
        default=None,
        max_length=LONGEST_TITLE,
        description="The question, in a few words; link holders see it.",
    )
    description: str | None = Field(
        default=None,
        max_length=LONGEST_DESCRIPTION,
        repr=False,
        description="More about the question, in Markdown; link holders see it.",
    )
    details: dict[str, Json] = Field(
        default={},
        repr=False,
        description="Details of the question, shown as a table; link holders see them.",
    )
    policy: PolicyIn | None = Field(
        default=None,
        description="The people rules; without them, every holder of the link decides. Where people"
        " approve or reject, the activity's result is a `DecisionOut`.",
    )
    notify: list[Text] = Field(
        default=[],
        max_length=MOST_CHANNELS,
        description="Channels that ask people: `mail`, `slack:#finance`, or a configured name.",
    )
    remind_every: Duration | None = Field(
        default=None, description="How often people are reminded."
    )
    escalate: list[EscalationIn] = Field(
        default=[], max_length=MOST_ESCALATIONS, description="More people who are asked later."
    )
    tags: list[Text] = Field(default=[], max_length=MOST_TAGS, description="Labels for searching.")
    aliases: list[Text] = Field(
        default=[],
        max_length=MOST_ALIASES,
        description="Business keys that lead to it, such as `github:run:42`. Only one callback that"
        " has not ended can have one. A later attempt adds its own.",
    )
    metadata: dict[str, Json] = Field(
        default={}, repr=False, description="Your own keys to store with it; link holders see them."
    )
    result_schema: dict[str, Json] | bool | None = Field(
        default=None,
        description="The JSON Schema (2020-12) that a result must meet. Where people approve or"
        " reject, it is that of the form beside a yes; without it, there is no form.",
    )

    @field_validator("*")
    @classmethod
    def _can_be_stored(cls, value: Any, info: ValidationInfo) -> Any:
        check_option(info.field_name or "", to_plain(value))
        return value

    @model_validator(mode="after")
    def _fit_one_another(self) -> Self:
        names = ("resume", "attempts", "policy", "escalate")
        check_combinations({name: to_plain(getattr(self, name)) for name in names})
        return self


class OpenIn(BaseModel):
    """A request for the callback of an activity."""

    model_config = ConfigDict(
        extra="forbid", title="Opening", json_schema_extra={"examples": [examples.OPEN]}
    )

    activity: ActivityIn
    options: OptionsIn = OptionsIn()
    worker: Name | None = Field(
        default=None,
        description="The identity of the worker in history: it returns an answer inline.",
    )

    @model_validator(mode="after")
    def _can_resume(self) -> Self:
        if self.options.resume and self.worker is None:
            msg = "resume needs `worker`: the attempt that continues gets the answer inline"
            raise ValueError(msg)
        return self


class ResumedIn(BaseModel):
    """A report that an attempt continues with its answer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"attempt": 2}]})

    attempt: int = Field(strict=True, ge=1, le=2**31 - 1, description="The attempt's number.")


class ExtendIn(BaseModel):
    """A request for more time."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.EXTEND]})

    within: Duration = Field(description="How long an answer may take, from now.")


class LinkIn(BaseModel):
    """A request for a link, which allows at most what the activity's own link allows."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.LINK]})

    verbs: list[Literal["complete", "fail", "heartbeat", "cancel", "view"]] | None = Field(
        default=None,
        min_length=1,
        max_length=len(Verb),
        description="What it allows; by default, the same as the activity's own link.",
    )
    good_for: Duration | None = Field(
        default=None, alias="for", description="How long it is valid, from now."
    )
