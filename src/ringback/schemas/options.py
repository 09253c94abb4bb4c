"""Options of a callback, as requests, inputs of activities and replies contain them."""

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from ringback.domain.alias import MOST_ALIASES
from ringback.domain.options import (
    LONGEST_TITLE,
    MOST_CHANNELS,
    MOST_TAGS,
    check_combinations,
    check_option,
)
from ringback.domain.policy_checks import MOST_ESCALATIONS
from ringback.domain.subject import LONGEST_DESCRIPTION
from ringback.schemas.values import Duration, Json, Text
from ringback.schemas.votes import EscalationIn, PolicyIn

LONGEST_SCHEMA: Final = 64 * 1024
"""Maximum length of a result schema as JSON."""


class DefaultAnswer(BaseModel, extra="forbid"):
    """The answer that ends the activity if none arrives in time."""

    verb: Literal["complete", "fail"]
    body: Json = Field(
        None, repr=False, description="The body that `POST /c/{link}/{verb}` accepts."
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


class CommonOptionsIn(BaseModel, extra="forbid"):
    """Options that every way to open a callback has."""

    deadline: Duration | None = Field(
        None, description="How long an answer may take, from the first opening."
    )
    attempts: Literal["any", "current"] = Field(
        "any", description="Which attempt an answer may end: any, or only the one that opened it."
    )
    follow_reset: bool = Field(
        default=False,
        strict=True,
        description="Whether the callback continues after a reset of the workflow.",
    )
    heartbeat: Literal["sender", "gateway"] = Field(
        "sender", description="Whether the gateway or the sender heartbeats."
    )
    cancel_within: Duration | None = Field(
        None, description="How long the sender may take to report a cancellation."
    )
    cancel_url: Text | None = Field(
        None, repr=False, description="Receives a webhook when the answer is no longer needed."
    )
    notify_url: Text | None = Field(
        None, repr=False, description="Receives a webhook for every change of the callback."
    )
    title: Text | None = Field(
        None,
        max_length=LONGEST_TITLE,
        description="The question, in a few words; link holders see it.",
    )
    description: str | None = Field(
        None,
        max_length=LONGEST_DESCRIPTION,
        repr=False,
        description="More about the question, in Markdown; link holders see it.",
    )
    details: dict[str, Json] = Field(
        {},
        repr=False,
        description="Details of the question, shown as a table; link holders see them.",
    )
    notify: list[Text] = Field(
        [],
        max_length=MOST_CHANNELS,
        description="Channels that ask people: `mail`, `slack:#finance`, or a configured name.",
    )
    remind_every: Duration | None = Field(None, description="How often people are reminded.")
    escalate: list[EscalationIn] = Field(
        [], max_length=MOST_ESCALATIONS, description="More people who are asked later."
    )
    tags: list[Text] = Field([], max_length=MOST_TAGS, description="Labels for searching.")
    aliases: list[Text] = Field(
        [],
        max_length=MOST_ALIASES,
        description="Business keys that lead to it, such as `github:run:42`. Only one callback that"
        " has not ended can have one. A later attempt adds its own.",
    )
    metadata: dict[str, Json] = Field(
        {}, repr=False, description="Your own keys to store with it; link holders see them."
    )

    @field_validator("*")
    @classmethod
    def _can_be_stored(cls, value: Any, info: ValidationInfo) -> Any:
        check_option(info.field_name or "", to_plain(value))
        return value


class OptionsOut(BaseModel):
    """The options that operators see."""

    title: str | None = Field(examples=["Charge order 1"])
    tags: list[str] = Field(examples=[["charges"]])
    aliases: list[str] = Field(
        [], description="Business keys that lead to it until it ends.", examples=[["github:run:42"]]
    )
    attempts: str = Field(examples=["any"])
    metadata: dict[str, Any] = Field(repr=False)
    description: str | None = Field(repr=False)
    details: dict[str, Any] = Field(repr=False)
    policy: dict[str, Any] | None = Field(description="The people rules; null without any.")


class OptionsIn(CommonOptionsIn, title="Options"):
    """Options of the callback; all of them are optional."""

    on_deadline: DefaultAnswer | None = Field(
        None, repr=False, description="The answer that ends the activity if none arrives in time."
    )
    resume: bool = Field(
        default=False,
        strict=True,
        description="Whether the activity continues with the answer in a new attempt, which gets it"
        " inline. Needs `worker`, and a retry policy that allows another attempt.",
    )
    poll: bool = Field(
        default=False,
        strict=True,
        description="Whether a worker polls the sender at the deadline, before the default answer"
        " is used: another attempt opens the callback, and `next` is `poll`. Needs a retry policy"
        " that allows at least three attempts.",
    )
    poll_every: Duration | None = Field(
        None, description="The interval at which a worker also polls before; needs `poll`."
    )
    policy: PolicyIn | None = Field(
        None,
        description="The people rules; without them, every holder of the link decides. Where people"
        " approve or reject, the activity's result is a `DecisionOut`.",
    )
    result_schema: dict[str, Json] | bool | None = Field(
        None,
        description="The JSON Schema (2020-12) that a result must meet. Where people approve or"
        " reject, it is that of the form beside a yes; without it, there is no form.",
    )

    @model_validator(mode="after")
    def _fit_one_another(self) -> Self:
        names = ("resume", "attempts", "policy", "escalate", "poll", "poll_every", "deadline")
        check_combinations({name: to_plain(getattr(self, name)) for name in names})
        return self
