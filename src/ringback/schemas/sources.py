"""Sources and queues in requests and responses."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Base64Bytes, BaseModel, Field, model_validator

from ringback.schemas.responses import ResultProblemOut


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


class RefusedOut(BaseModel, from_attributes=True):
    """Requests in a row that were refused for the same reason."""

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


class SourceTestIn(BaseModel, extra="forbid"):
    """A request to try on a source."""

    body: str | None = Field(None, repr=False, description="Its body, if that is text.")
    body_base64: Base64Bytes | None = Field(
        None, repr=False, description="Its body, if that is not text."
    )
    headers: dict[str, str] = Field(
        {},
        repr=False,
        max_length=200,
        description="Its headers. Without headers, the signature is not checked.",
    )

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.body is not None and self.body_base64 is not None:
            msg = "give body or body_base64, not both"
            raise ValueError(msg)
        return self

    @property
    def raw(self) -> bytes:
        """The body, byte for byte."""
        return self.body_base64 or (self.body or "").encode()


class VerificationOut(BaseModel):
    """What the signature of a request says."""

    state: Literal["verified", "refused", "not checked"]
    reason: str | None = Field(
        description="Why it is refused, for programs.", examples=["signature_mismatch"]
    )
    message: str = Field(examples=["the secret 1 of 2 fits"])


class TestedCallbackOut(BaseModel):
    """The callback that an event would go to."""

    id: str
    state: str = Field(examples=["open"])
    problems: list[ResultProblemOut] = Field(
        description="Why its result schema rejects the result; of the first ten events only."
    )


class TestedEventOut(BaseModel):
    """What the rules make of one event."""

    state: Literal["waiting", "ignored", "dead"] = Field(
        description="The state that it would begin with."
    )
    rule: int | None = Field(description="The rule that decides, from 0.")
    action: str | None = Field(examples=["complete"])
    alias: str | None = Field(examples=["stripe:pi_3OqT"])
    answer: str | None = Field(
        repr=False,
        description="The JSON that its callback would be sent.",
        examples=['{"receipt": "r-1"}'],
    )
    reason: str | None = Field(description="Why no callback would get it.")
    callback: TestedCallbackOut | None = Field(
        description="The callback that has the alias now, or had it last; null if none."
    )


class SourceTestOut(BaseModel):
    """What a source would do with a request. Nothing is stored."""

    verification: VerificationOut
    events: list[TestedEventOut]
