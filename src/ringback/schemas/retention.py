"""What operators ask: whether anything is wrong, and what has ended, to export and delete it."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from ringback.ports.retention import RecordKind
from ringback.schemas.values import ID_PATTERN, Duration

MOST_EXPORTED: Final = 20
"""Maximum records of an exported page: each may contain an answer of 2 MB."""

_Place = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.]{1,100}$", description="`after` of the reply before.")
]
_OlderThan = Annotated[
    Duration | None,
    Field(
        description="How long ago it ended at least; by default the gateway's"
        " `RINGBACK_KEEP_ENDED_FOR`."
    ),
]


class EndedIn(BaseModel, extra="forbid"):
    """Which part of what has ended is exported."""

    kind: RecordKind = RecordKind.CALLBACKS
    older_than: _OlderThan = None
    after: _Place | None = None
    limit: int = Field(MOST_EXPORTED, ge=1, le=MOST_EXPORTED)


class RecordOut(BaseModel):
    """A callback or a request of a source, with all that is stored of it."""

    id: str
    version: int = Field(description="Changes when something is added to it.")
    rows: dict[str, list[dict[str, Any]]] = Field(
        description="The rows by table, without task tokens. Bytes that are not text are"
        ' `{"base64": …}`.'
    )


class EndedOut(BaseModel):
    """A page of what has ended."""

    records: list[RecordOut]
    after: str | None = Field(description="Where the next page begins; null after the last.")


class PurgeIn(BaseModel, extra="forbid"):
    """What to delete."""

    kind: RecordKind = RecordKind.CALLBACKS
    older_than: _OlderThan = None
    after: _Place | None = None
    dry_run: bool = Field(default=False, description="Only count.")
    exported: dict[Annotated[str, Field(pattern=ID_PATTERN)], int] | None = Field(
        None,
        max_length=MOST_EXPORTED,
        description="Delete only these records of an export, each unless its version has changed.",
    )


class PurgedOut(BaseModel):
    """What one request has deleted."""

    rows: dict[str, int] = Field(description="The number of deleted rows by table.")
    after: str | None = Field(
        description="Where the next request goes on; null when nothing is left."
    )


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
