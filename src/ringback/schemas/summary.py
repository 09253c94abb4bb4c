"""The reply that says whether anything is wrong."""

from pydantic import BaseModel, Field


class TroubleOut(BaseModel):
    """Something that is wrong, and what to do about it."""

    what: str = Field(
        description="For programs: store, temporal, link keys, undelivered, parked, overdue, queue,"
        " events, source, webhooks or notifications.",
        examples=["parked"],
    )
    message: str = Field(examples=["1 answer is parked: cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"])
    advice: str = Field(examples=["read why: ringback show cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"])
    page: str = Field(
        description="Where the documentation says more.",
        examples=["docs/howto/alerts.md#ringbackparked"],
    )


class SummaryOut(BaseModel):
    """Whether anything is wrong, as this gateway sees it."""

    is_well: bool = Field(description="Whether `problems` is empty.")
    problems: list[TroubleOut] = Field(description="The most urgent first.")
    store: str = Field(description="ok, not writable or unavailable.", examples=["ok"])
    temporal: str = Field(description="ok, unreachable or misconfigured.", examples=["ok"])
    callbacks: dict[str, int] | None = Field(
        description="How many there are in each state; null if they are not counted yet.",
        examples=[{"open": 12, "accepted": 0, "applied": 4031, "parked": 2}],
    )
    oldest_undelivered_seconds: float | None = Field(
        description="Age of the oldest accepted and undelivered outcome.", examples=[0.4]
    )
    oldest_overdue_seconds: float | None = Field(
        description="How long ago the earliest deadline of an open callback passed."
    )
    events_waiting: int | None = Field(
        description="Events of sources that wait for their callback, at most 2,000.", examples=[3]
    )
    version: str = Field(description="The version of the gateway.", examples=["0.1.0"])
    namespace: str = Field(examples=["default"])
