"""Inputs of the activities that workflows in any language call by name."""

from abc import abstractmethod
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from ringback.domain.alias import Alias
from ringback.domain.options import LONGEST_TITLE, check_combinations, check_option
from ringback.domain.policy import LONGEST_REASON
from ringback.domain.web_url import parse_url
from ringback.schemas.options import CommonOptionsIn, to_plain
from ringback.schemas.values import Json, Name, Text
from ringback.schemas.votes import DecidersIn, RulesIn

DEFAULT_LINK_AT: Final = "/callback_url"
WEBHOOK_TYPES: Final = "callback."
"""How the type of each webhook begins. Nothing else that is signed with its secret may do so."""


class DefaultDecisionIn(BaseModel, extra="forbid"):
    """The decision if people do not decide in time."""

    approved: bool = Field(strict=True)
    reason: str | None = Field(None, max_length=LONGEST_REASON, repr=False)


class DefaultResultIn(BaseModel, extra="forbid"):
    """The result or the failure if no answer arrives in time."""

    verb: Literal["complete"]
    body: Json = Field(None, repr=False)


class FailureIn(BaseModel, extra="forbid"):
    """A failure of the activity."""

    message: str = Field(strict=True, repr=False)
    type: Name | None = None
    non_retryable: bool = Field(default=False, strict=True)


class DefaultFailureIn(BaseModel, extra="forbid"):
    """The failure if no answer arrives in time."""

    verb: Literal["fail"]
    body: FailureIn = Field(repr=False)


class _Input(CommonOptionsIn):
    """What the three inputs share."""

    @property
    @abstractmethod
    def policy(self) -> dict[str, Any] | None:
        """The people rules, if there are any."""

    @model_validator(mode="after")
    def _fit_one_another(self) -> Self:
        check_option("policy", self.policy)
        plain = {"attempts": self.attempts, "escalate": to_plain(self.escalate)}
        check_combinations({**plain, "policy": self.policy})
        return self


class AskIn(_Input, RulesIn):
    """Input of `ringback.ask`: people approve or reject."""

    title: Name = Field(
        max_length=LONGEST_TITLE, description="The question, in a few words; link holders see it."
    )
    form: dict[str, Json] | None = Field(
        None,
        description="The JSON Schema (2020-12) of what people fill in beside a yes. Default: no"
        " form.",
    )
    on_deadline: DefaultDecisionIn | None = Field(
        None,
        repr=False,
        description='The decision if nobody decides in time: `{"approved": false, "reason": "…"}`.',
    )

    @property
    def policy(self) -> dict[str, Any]:
        """The people rules."""
        return {"is_decision": True, **_rules(self, RulesIn)}


class _AnswerIn(_Input, DecidersIn):
    """What `ringback.wait` and `ringback.event` share: the answer is a result."""

    result_schema: dict[str, Json] | bool | None = Field(
        None,
        description="The JSON Schema (2020-12) that a result must meet. Without it, any JSON is"
        " accepted.",
    )
    on_deadline: DefaultResultIn | DefaultFailureIn | None = Field(
        None,
        repr=False,
        discriminator="verb",
        description='The answer if none arrives in time: `{"verb": "complete", "body": …}` or'
        ' `{"verb": "fail", "body": {"message": "…"}}`.',
    )

    @property
    def policy(self) -> dict[str, Any] | None:
        """The people rules, if people are named."""
        if not self.model_fields_set & DecidersIn.model_fields.keys():
            return None
        return {"is_decision": False, **_rules(self, DecidersIn)}


class WaitIn(_AnswerIn):
    """Input of `ringback.wait`: a link is sent to a URL."""

    url: Text = Field(
        repr=False,
        description="Receives the link by POST. The workflow history shows it, so keep secrets out"
        " of it.",
    )
    body: dict[str, Json] = Field(
        {}, repr=False, description="What is sent, an object; the link is added to it."
    )
    link_at: Text = Field(
        DEFAULT_LINK_AT,
        pattern="^/",
        description="The place of the link in the body, as a JSON Pointer such as"
        " `/notify/url`. The body must not have a value there.",
    )

    @field_validator("url")
    @classmethod
    def _is_web_url(cls, url: str) -> str:
        parse_url("url", url)
        return url

    @field_validator("body")
    @classmethod
    def _is_no_webhook(cls, body: dict[str, Any]) -> dict[str, Any]:
        if str(body.get("type", "")).startswith(WEBHOOK_TYPES):
            msg = (
                f"its type begins with {WEBHOOK_TYPES!r}, as Ringback's own webhooks do, which have"
                " the same signature; use another type"
            )
            raise ValueError(msg)
        return body


class EventIn(_AnswerIn):
    """Input of `ringback.event`: an event, or anybody who knows an alias, answers."""

    alias: Name = Field(
        description="The business key that the event has, such as `github:run:42`. Only one"
        " callback that has not ended can have it."
    )

    @field_validator("alias")
    @classmethod
    def _is_alias(cls, alias: str) -> str:
        return Alias(alias).text


def _rules(given: BaseModel, rules: type[BaseModel]) -> dict[str, Any]:
    return {name: to_plain(getattr(given, name)) for name in rules.model_fields}
