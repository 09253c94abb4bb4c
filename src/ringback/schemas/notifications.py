"""Requests and replies about messages to people."""

from datetime import datetime

from pydantic import BaseModel, Field

from ringback.schemas.values import Text


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
