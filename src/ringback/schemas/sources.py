"""Sources and queues in requests and responses."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RuleOut(BaseModel):
    """A rule of a source, without what it sends."""

    when: str | None = Field(description="Null: it applies to every event.")
    key: str | None = Field(description="Null: it ignores the event.")
    action: str = Field(examples=["complete"])


class SourceOut(BaseModel):
    """A configured source of events. It holds no secret."""

    name: str = Field(examples=["stripe"])
    kind: Literal["webhook", "queue"]
    provider: str = Field(
        description="The provider, the scheme, or the kind of broker.", examples=["stripe"]
    )
    url: str | None = Field(
        repr=False,
        description="The URL to give to the provider; null for a queue.",
        examples=["https://ringback.example.com/in/stripe"],
    )
    place: str | None = Field(description="The queue, stream or topic; null for a webhook.")
    trusted: bool | None = Field(
        description="Whether messages may answer by alias; null for a webhook."
    )
    secrets: int = Field(description="How many secrets verify its requests.")
    rules: list[RuleOut]
    batch: str | None = Field(description="What selects the events of one body.")
    ttl: float = Field(description="How long an event waits for its alias, in seconds.")
    limit: int | None = Field(description="Maximum requests per second; null: no limit.")
    headers: list[str] = Field(description="The headers that are kept with its events.")
    not_signed: list[str] = Field(
        description="What the signature does not cover, so that anybody can change it."
    )
    retries: str | None = Field(description="How the provider retries, if it documents that.")
    last_event_at: datetime | None
    recent: dict[str, int] = Field(
        description="How many of its newest 1,000 events are in each state.",
        examples=[{"matched": 998, "waiting": 2}],
    )
    requests: dict[str, int] = Field(
        description="How many requests had each result, at this gateway and since its start:"
        " accepted, duplicate, handshake, rate_limited, or the reason of a refusal.",
        examples=[{"accepted": 1000, "duplicate": 4, "signature_mismatch": 1}],
    )


class SourcesOut(BaseModel):
    """The configured sources, by name."""

    sources: list[SourceOut]
    since: datetime = Field(description="When this gateway began to count requests.")


class RefusedOut(BaseModel):
    """Requests in a row that were refused for the same reason."""

    model_config = ConfigDict(from_attributes=True)

    reason: str = Field(examples=["timestamp_too_old"])
    message: str = Field(examples=["the timestamp is 412 s old; the limit is 300 s"])
    first_at: datetime
    last_at: datetime
    count: int
    size: int | None = Field(description="The bytes of the last body; null if it was not read.")


class RefusalsOut(BaseModel):
    """The latest refused requests of a source, newest first."""

    refused: list[RefusedOut]
    since: datetime = Field(description="When this gateway began to record them.")
