"""The inbox for programs with a key, and the test of a channel that notifies people."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Query

from ringback.core.status import serialize_callback, serialize_vote
from ringback.domain.api_key import Act
from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.inbox import Cursor, InboxEntry, InboxQuery, Scope
from ringback.gateway.api.access import requires
from ringback.gateway.api.bodies import Body
from ringback.gateway.api.openapi import new_router
from ringback.gateway.gateway import GatewayOf
from ringback.ports.notifications import Sent
from ringback.schemas.inbox import (
    ChannelTestIn,
    ChannelTestOut,
    InboxEntryOut,
    InboxIn,
    InboxOut,
)

router = new_router("/inbox")
notifications_router = new_router("/notifications")


@router.get("", summary="List questions to people, by deadline", dependencies=requires(Act.VIEW))
async def list_inbox(gateway: GatewayOf, filters: Annotated[InboxIn, Query()]) -> InboxOut:
    """Return a page of a person's inbox. Pass `next` as `after` until it is null.

    Open questions are sorted by deadline, and those without one come last. Decided ones are listed
    newest first. A search may return a page that is not full, and still have a `next`.
    """
    page = await gateway.inbox_service.list(_to_query(filters))
    return InboxOut(
        callbacks=[_to_entry_out(entry) for entry in page.entries],
        next=None if page.next is None else str(page.next),
    )


@notifications_router.post(
    "/test", summary="Send a test message through a channel", dependencies=requires(Act.NOTIFY)
)
async def test_channel(gateway: GatewayOf, asked: Body[ChannelTestIn]) -> ChannelTestOut:
    """Send one message now, and return the result. It is not retried."""
    channel, _, recipient = asked.channel.partition(":")
    sending = await gateway.notifier.test(channel, asked.to or recipient)
    if isinstance(sending, Sent):
        return ChannelTestOut(sent=True, error=None)
    return ChannelTestOut(sent=False, error=sending.reason)


def _to_query(filters: InboxIn) -> InboxQuery:
    try:
        after = None if filters.after is None else Cursor.parse(filters.after)
    except ValueError as exc:
        raise MalformedRequestError([Problem("/after", str(exc))]) from exc
    by_default = Scope.MINE if filters.user else Scope.GROUPS if filters.group else Scope.ALL
    return InboxQuery(
        user=filters.user,
        groups=frozenset(filters.group),
        scope=filters.scope or by_default,
        show=filters.show,
        text=filters.text,
        after=after,
        limit=filters.limit,
    )


def _to_entry_out(entry: InboxEntry) -> InboxEntryOut:
    votes = [serialize_vote(vote) for vote in entry.votes]
    unsent = [asdict(one) for one in entry.unsent]
    shown = {**serialize_callback(entry.callback), "votes": votes, "unsent": unsent}
    return InboxEntryOut.model_validate(shown)
