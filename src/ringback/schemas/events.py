"""Events of sources in requests and responses."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field

from ringback.domain.event import EventState
from ringback.domain.link import Verb
from ringback.schemas.values import Text

MOST_LISTED: Final = 1000

_Id = Annotated[str, Field(max_length=100, examples=["ev_0dj0q6nk5g1e2b3a4c5d6e7f8g"])]


_Wanted = Annotated[Text, Field(max_length=200)]


class EventsIn(BaseModel, extra="forbid"):
    """Which events to list."""

    source: _Wanted | None = Field(None, description="The name of a source.")
    state: EventState | None = None
    alias: _Wanted | None = Field(None, description="An alias, in full.")
    before: _Wanted | None = Field(None, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=MOST_LISTED)


class EventOut(BaseModel, from_attributes=True):
    """An event of a source, without its body."""

    id: _Id
    source: str = Field(examples=["stripe"])
    delivery_key: str | None = Field(
        description="The provider's name for the request that it came with."
    )
    received_at: datetime
    state: EventState
    action: str | None = Field(
        description="What it asks of a callback; null if no rule uses it.", examples=["complete"]
    )
    alias: str | None = Field(examples=["stripe:pi_3OqT"])
    waits_until: datetime | None = Field(
        description="How long it waits for its alias; null if it does not wait."
    )
    tries: int = Field(description="How often it was led to its callback.")
    reason: str | None = Field(description="Why it is in its state.")
    callback_id: str | None = Field(description="The callback that it led to.")


class EventRecordOut(EventOut):
    """All that is stored of an event, with the request that it came with."""

    ended_at: datetime | None = Field(description="When it ended; null while it waits.")
    answer: str | None = Field(
        repr=False,
        description="The JSON that its callback is sent; null if there is none.",
        examples=['{"receipt": "r-1"}'],
    )
    position: int = Field(description="Its place among the events of the request, from 0.")
    siblings: int = Field(description="How many events the request has.")
    headers: dict[str, str] = Field(
        repr=False,
        description="The headers of the request that the source keeps.",
        examples=[{"content-type": "application/json"}],
    )
    size: int = Field(description="The bytes of the request's body.")
    body: str | None = Field(
        repr=False,
        description="The body of the request; null if it is not UTF-8, or was dropped.",
        examples=['{"id": "evt_1"}'],
    )
    body_base64: str | None = Field(
        repr=False, description="The body of the request, if it is not UTF-8; else null."
    )


class EventsOut(BaseModel):
    """A page of events, the newest first."""

    events: list[EventOut]
    next: str | None = Field(description="The `before` of the next page; null at the end.")


def action_name(action: Verb | None) -> str | None:
    """Return the name of an action as links and rules spell it."""
    return None if action is None else action.name.lower()
