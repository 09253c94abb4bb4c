"""The page of the inbox, and the events that keep it up to date."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from ringback.core.inbox_feed import OPEN_LISTS, InboxFeed, OpenList
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.identity.person import RequiredPerson, is_still
from ringback.gateway.pages.inbox_list import read_query, show_list
from ringback.gateway.replies import problem
from ringback.ports.clock import Clock

router = APIRouter(include_in_schema=False)

SIGN_OF_LIFE_EVERY: Final = timedelta(seconds=20)
"""Proxies close connections on which nothing is sent, and a send finds out who has gone."""

LONGEST_STREAM: Final = timedelta(minutes=5)
"""A browser then connects again."""

_LONGEST_STATE: Final = 64
_TOO_MANY: Final = "too many lists are open; reload the page to see what has changed"


@router.head("/inbox")
@router.get("/inbox")
async def show_inbox(gateway: GatewayOf, request: Request, person: RequiredPerson) -> Response:
    """Show a list of questions. Changes nothing."""
    query = read_query(person, request.query_params)
    return await show_list(gateway, request, person, query=query)


@router.get("/inbox/changes/events")
async def stream_changes(gateway: GatewayOf, request: Request, person: RequiredPerson) -> Response:
    """Stream an event when the list differs from the one with the state in the address.

    The stream ends before its next line once the session is revoked or the person's groups change.
    """
    query = read_query(person, request.query_params)
    state = request.query_params.get("state", "")[:_LONGEST_STATE]
    opened = gateway.inbox_feed.open(query, state=state)
    if opened is None:
        gateway.hooks.limit_reached(OPEN_LISTS)
        return problem(503, "too many lists", _TOO_MANY)
    return StreamingResponse(
        _changes(
            gateway.inbox_feed,
            opened,
            gateway.clock,
            is_allowed=lambda: is_still(gateway, request, person),
        ),
        media_type="text/event-stream",
        # Buffering proxies would hold events back.
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _changes(
    feed: InboxFeed, opened: OpenList, clock: Clock, *, is_allowed: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    end_at = clock.monotonic() + LONGEST_STREAM
    try:
        yield ": open\n\n"
        while not feed.is_stopping and clock.monotonic() < end_at:
            is_awake = await opened.wait(at_most=SIGN_OF_LIFE_EVERY)
            if feed.is_stopping or not await is_allowed():
                return
            yield "event: changed\ndata:\n\n" if is_awake else ": nothing new\n\n"
    finally:
        feed.close(opened)
