"""People: who may decide, their votes, and changes of who is asked."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from ringback.domain.policy import (
    LONGEST_REASON,
    MOST_APPROVALS,
    MOST_ASSIGNEES,
    MOST_GROUPS,
)
from ringback.domain.text_checks import LONGEST_NAME
from ringback.schemas.values import CallbackId, Duration, Json, Name, Text


def _named(assignees: list[str]) -> list[str]:
    if not assignees:
        # Such as a list that was computed: it names nobody, so anybody could decide.
        msg = "it is empty; name somebody, or leave it out so that anybody may decide"
        raise ValueError(msg)
    return assignees


class DecidersIn(BaseModel, extra="forbid"):
    """The people who may decide."""

    assignees: Annotated[list[Text], AfterValidator(_named)] = Field(
        default_factory=list,
        max_length=MOST_ASSIGNEES,
        json_schema_extra={"minItems": 1},
        description="Who may decide: `user:ada@example.org`, `group:finance`. Without it, anybody.",
    )
    exclude: list[Text] = Field(
        [], max_length=MOST_ASSIGNEES, description="Users who may not decide."
    )
    link_decides: bool | None = Field(
        None,
        strict=True,
        description="Whether holders of a link may decide. By default only if no people are"
        " named and one approval suffices.",
    )


class RulesIn(DecidersIn):
    """The people who may approve or reject, and how many must agree."""

    approvals: Annotated[int, Field(strict=True, ge=1, le=MOST_APPROVALS)] | Literal["majority"] = (
        Field(1, description="How many distinct people must approve.")
    )
    veto: bool = Field(
        default=True, strict=True, description="Whether one rejection rejects at once."
    )
    require_reason: Literal["never", "rejection", "always"] = Field(
        "never", description="When a vote needs a reason."
    )
    on_reject: Literal["result", "fail"] = Field(
        "result", description="Whether a rejection is a result or a failure."
    )


class PolicyIn(RulesIn, title="Policy"):
    """The people who may decide, and how many must agree."""

    is_decision: bool = Field(
        default=True,
        strict=True,
        description="Whether people approve or reject; otherwise they give the result itself.",
    )
    require_form: bool = Field(
        default=True,
        strict=True,
        description="Whether a yes needs the form, where there is one. Without it, one approval"
        " must suffice.",
    )


class EscalationIn(BaseModel, extra="forbid", title="Escalation"):
    """More people who are asked if there is no decision after a while."""

    after: Duration = Field(description="How long after the first opening.")
    assignees: list[Text] = Field(min_length=1, max_length=MOST_ASSIGNEES)


class VoteIn(BaseModel, extra="forbid"):
    """The vote of a person."""

    by: Name = Field(max_length=LONGEST_NAME, description="The user who votes.")
    groups: list[Name] = Field([], max_length=MOST_GROUPS, description="The groups of that user.")
    approved: bool | None = Field(
        None, strict=True, description="A yes or a no; required where people decide so."
    )
    reason: str | None = Field(None, max_length=LONGEST_REASON, repr=False)
    form: Json = Field(None, repr=False, description="The form beside a decision.")
    result: Json = Field(
        None, repr=False, description="The result, where people give it themselves."
    )
    digest: Text | None = Field(None, description="The version of the subject that the person saw.")
    ballot: int = Field(
        0,
        ge=0,
        strict=True,
        description="This person's number in the callback's `ballots`. A late retry of a vote that"
        " was withdrawn, or removed by a reassignment, has an old number and gets 409.",
    )

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if {"form", "result"} <= self.model_fields_set:
            msg = "give either `form` or `result`"
            raise ValueError(msg)
        return self


class ClaimIn(BaseModel, extra="forbid"):
    """A request to claim a callback."""

    by: Name = Field(max_length=LONGEST_NAME, description="The user who claims it.")
    groups: list[Name] = Field([], max_length=MOST_GROUPS, description="The groups of that user.")


class ReassignIn(BaseModel, extra="forbid"):
    """A request to ask other people."""

    assignees: list[Text] = Field(
        max_length=MOST_ASSIGNEES, description="Everybody who may decide from now on."
    )


class DetailsIn(BaseModel, extra="forbid"):
    """A change of the details of a subject."""

    details: dict[str, Json] = Field(repr=False, description="New details, and changed ones.")


class VoteOut(BaseModel):
    """A vote, without its form."""

    by: str = Field(examples=["ada@example.org"])
    approved: bool
    reason: str | None = Field(repr=False)
    proof: str = Field(
        description="How it was proven who voted: link, API key, chat or signed in.",
        examples=["signed in"],
    )
    via: str | None = Field(description="The API key or chat account that proved it.")
    digest: str
    at: datetime


class VotesOut(BaseModel):
    """The votes on a callback."""

    votes: list[VoteOut]


class DigestOut(BaseModel):
    """A new version of a subject."""

    id: CallbackId
    digest: str


class DecisionVoteOut(BaseModel, title="DecisionVote"):
    """The vote of one person, in a decision."""

    by: str = Field(description="The user; `link` stands for whoever holds the link.")
    approved: bool
    reason: str | None
    proof: Literal["link", "API key", "chat", "signed in"] = Field(
        description="How it was proven who voted."
    )
    at: datetime


class DecisionOut(BaseModel, title="Decision"):
    """The result of an activity whose callback has a policy with `is_decision`."""

    approved: bool
    reason: str | None = Field(None, description="Why, by whoever decided.")
    by: str | None = Field(None, description="Who decided; null for a default answer.")
    form: Json = Field(None, description="What they filled in beside it.")
    votes: list[DecisionVoteOut] = Field([], description="All votes, oldest first.")
    is_default: bool = Field(default=False, description="Whether nobody decided in time.")
