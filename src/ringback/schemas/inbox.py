"""The inbox, and the test of a channel that notifies people."""

from typing import Annotated

from pydantic import BaseModel, Field

from ringback.domain.inbox import LONGEST_SEARCH, MOST_LISTED, Scope, Show
from ringback.domain.text_checks import LONGEST_NAME
from ringback.schemas.responses import CallbackOut
from ringback.schemas.values import Text
from ringback.schemas.votes import VoteOut

_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


class InboxIn(BaseModel, extra="forbid"):
    """Which questions to list."""

    user: _Name | None = Field(None, description="Whose inbox.", examples=["ada@example.org"])
    group: list[_Name] = Field([], max_length=500, description="A group of the user; repeatable.")
    scope: Scope | None = Field(
        None, description="Default: `mine` with a user, else `groups` with a group, else `all`."
    )
    show: Show = Field(Show.OPEN, description="Which questions.")
    text: str = Field("", max_length=LONGEST_SEARCH, description="Words that must all occur.")
    after: str | None = Field(None, max_length=100, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=MOST_LISTED, description="Maximum number of questions.")


class UnsentMessagesOut(BaseModel):
    """Messages about a question that a channel did not accept."""

    channel: str = Field(examples=["mail"])
    count: int = Field(description="How many recipients.")
    is_retrying: bool = Field(description="Whether some of them will be sent again.")
    last_error: str = Field(description="Why one of them was not accepted.")


class InboxEntryOut(CallbackOut):
    """A question to people, with the votes so far."""

    votes: list[VoteOut]
    unsent: list[UnsentMessagesOut] = Field(
        [], description="The messages that could not be sent, by channel."
    )


class InboxOut(BaseModel):
    """A page of an inbox."""

    callbacks: list[InboxEntryOut]
    next: str | None = Field(description="Pass it as `after`; null at the end of the list.")


class ChannelTestIn(BaseModel, extra="forbid"):
    """A channel to test."""

    channel: Text = Field(
        description="As in `notify`: `mail`, `slack:#finance` or a configured name."
    )
    to: Text | None = Field(None, description="The recipient, for `mail`.")


class ChannelTestOut(BaseModel):
    """The result of a test message."""

    sent: bool
    error: str | None = Field(description="Why it was not sent.")
