"""Looking over HTTP: the list, one callback, and what happened to it."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ringback.core.operate import get_callback
from ringback.domain import query as domain
from ringback.domain.api_key import Act
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.gateway.api import examples
from ringback.gateway.api.access import Gate
from ringback.gateway.api.described import described
from ringback.gateway.api.told import (
    CallbackOut,
    EventsOut,
    PageOut,
    to_callback_out,
    to_event_out,
)
from ringback.gateway.api.values import ID_PATTERN, Duration, Instant, Text, to_callback_id
from ringback.ports.store import CallbackIndex, CallbackStore

MOST: Final = 1000
_USUAL: Final = 100


class ListIn(BaseModel):
    """What the list is to hold; a callback must meet all of it."""

    model_config = ConfigDict(extra="forbid")

    state: list[Literal["open", "accepted", "applied", "superseded", "parked", "expired"]] = Field(
        default=[],
        max_length=len(State),
        description="In any of these states; without one, what has not ended.",
    )
    workflow_id: Text | None = Field(default=None, description="Of this workflow.")
    workflow_type: Text | None = Field(default=None, description="Of workflows of this type.")
    activity_type: Text | None = Field(default=None, description="Of activities of this type.")
    tag: Text | None = Field(default=None, description="With this tag.")
    opened_after: Instant | None = Field(default=None, description="Opened then or later.")
    opened_before: Instant | None = Field(default=None, description="Opened before then.")
    older_than: Duration | None = Field(
        default=None, description="Opened at least that long ago: seconds, or `PT90M`."
    )
    overdue: bool = Field(default=False, description="Only open ones whose deadline has passed.")
    after: str | None = Field(
        default=None, pattern=ID_PATTERN, description="The `next` of the page before."
    )
    limit: int = Field(default=_USUAL, ge=1, le=MOST, description="How many at most.")

    def to_query(self) -> domain.Query:
        """Return what is asked for in the core's words."""
        return domain.Query(
            states=frozenset(map(State, self.state)) or domain.NOT_ENDED,
            workflow_id=self.workflow_id,
            workflow_type=self.workflow_type,
            activity_type=self.activity_type,
            tag=self.tag,
            opened_after=self.opened_after,
            opened_before=self.opened_before,
            older_than=self.older_than,
            is_overdue=self.overdue,
        )


@dataclass(frozen=True, slots=True)
class LookingRoutes:
    """Routes of who looks.

    Attributes:
        store: Where callbacks are found.
        index: What lists them.
    """

    store: CallbackStore
    index: CallbackIndex

    def add_to(self, router: APIRouter, gate: Gate) -> None:
        """Add the routes to `router`, behind `gate`."""
        may_look = gate.lets(Act.LOOK)
        router.add_api_route(
            "/callbacks",
            self.list,
            dependencies=may_look,
            **described(Act.LOOK, "List callbacks, oldest first", PageOut, example=examples.PAGE),
        )
        router.add_api_route(
            "/callbacks/{id}",
            self.show,
            dependencies=may_look,
            **described(
                Act.LOOK, "Show a callback", CallbackOut, example=examples.CALLBACK, problems=(404,)
            ),
        )
        router.add_api_route(
            "/callbacks/{id}/events",
            self.events,
            dependencies=may_look,
            **described(
                Act.LOOK,
                "Tell what happened to a callback",
                EventsOut,
                example=examples.EVENTS,
                problems=(404,),
            ),
        )

    async def list(self, asked: Annotated[ListIn, Query()]) -> PageOut:
        """By ascending id, a page at a time: ask again with `after` until `next` is null.

        Nothing is counted. What is in rare states is found at once; another filter that few meet
        walks what is open, and is slower the more there is.
        """
        after = None if asked.after is None else CallbackId(asked.after)
        found = await self.index.page(asked.to_query(), after=after, limit=asked.limit + 1)
        shown = found[: asked.limit]
        return PageOut(
            callbacks=[to_callback_out(callback) for callback in shown],
            next=shown[-1].id if len(found) > asked.limit else None,
        )

    async def show(self, id: str) -> CallbackOut:  # noqa: A002 - the parameter's name in the path
        """Without its link and without the body of its answer."""
        return to_callback_out(await get_callback(self.store, to_callback_id(id)))

    async def events(self, id: str) -> EventsOut:  # noqa: A002 - the parameter's name in the path
        """The audit trail, oldest first."""
        callback = await get_callback(self.store, to_callback_id(id))
        return EventsOut(events=[to_event_out(one) for one in await self.index.events(callback.id)])
