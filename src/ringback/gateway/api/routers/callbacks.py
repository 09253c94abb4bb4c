"""Routes for operators: list and show callbacks, and change them."""

import json
from dataclasses import asdict
from typing import Annotated

from fastapi import Query, Response

from ringback.core.give_up import GiveUpRequest
from ringback.core.operations import get_callback, link_to
from ringback.core.status import serialize_callback, serialize_entry
from ringback.domain.api_key import Act
from ringback.domain.callback import Callback, State
from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb
from ringback.gateway.api.access import IdInPath, KeyOf, requires
from ringback.gateway.api.bodies import Body
from ringback.gateway.api.openapi import new_router, problems
from ringback.gateway.example import example_of
from ringback.gateway.gateway import GatewayOf
from ringback.ports.store import NOT_ENDED, CallbackQuery
from ringback.schemas.requests import ExtendIn, GiveUpIn, LinkIn, ListIn
from ringback.schemas.responses import AuditTrailOut, CallbackOut, LinkOut, PageOut, ShownOut

router = new_router("/callbacks")


@router.get("", summary="List callbacks, oldest first", dependencies=requires(Act.VIEW))
async def list_callbacks(gateway: GatewayOf, filters: Annotated[ListIn, Query()]) -> PageOut:
    """Return a page by ascending id. Pass `next` as `after` until it is null.

    The reply has no total. A filter by a rare state is fast. Any other filter that few callbacks
    meet reads all open ones, so it gets slower with their number.
    """
    after = None if filters.after is None else CallbackId(filters.after)
    found = await gateway.store.page(_to_query(filters), after=after, limit=filters.limit + 1)
    shown = found[: filters.limit]
    return PageOut(
        callbacks=[to_callback_out(callback) for callback in shown],
        next=shown[-1].id if len(found) > filters.limit else None,
    )


@router.get("/{id}", summary="Show a callback", dependencies=requires(Act.VIEW))
async def show_callback(gateway: GatewayOf, callback_id: IdInPath) -> ShownOut:
    """Return a callback without its link and without the body of its answer."""
    callback = await get_callback(gateway.store, callback_id)
    schema = await gateway.find_schema(callback)
    return ShownOut.model_validate({
        **serialize_callback(callback),
        "result_schema": json.loads(schema or "null"),
        "notifications": [asdict(one) for one in await gateway.store.notifications_of(callback_id)],
        "result_example": json.loads(example_of(schema) or "null"),
    })


@router.get(
    "/{id}/audit", summary="List what happened to a callback", dependencies=requires(Act.VIEW)
)
async def show_audit_trail(gateway: GatewayOf, callback_id: IdInPath) -> AuditTrailOut:
    """Return the audit trail, oldest first."""
    callback = await get_callback(gateway.store, callback_id)
    entries = await gateway.store.audit_trail(callback.id)
    return AuditTrailOut.model_validate({"entries": list(map(serialize_entry, entries))})


@router.post(
    "/{id}/extend",
    summary="Extend the deadline of a callback",
    dependencies=requires(Act.EXTEND),
    responses=problems(409),
)
async def extend_deadline(
    *, gateway: GatewayOf, callback_id: IdInPath, key: KeyOf, asked: Body[ExtendIn]
) -> CallbackOut:
    """Set the callback's own deadline to `within` from now. Temporal's timeouts do not change."""
    service = gateway.operator_service
    return to_callback_out(await service.extend(callback_id, asked.within, by=key.id))


@router.post(
    "/{id}/revoke", summary="Revoke all links of a callback", dependencies=requires(Act.REVOKE)
)
async def revoke_links(gateway: GatewayOf, callback_id: IdInPath, key: KeyOf) -> CallbackOut:
    """Revoke all links made so far. The callback stays open; `POST …/link` creates a new one."""
    return to_callback_out(await gateway.operator_service.revoke(callback_id, by=key.id))


@router.post(
    "/{id}/redeliver",
    summary="Deliver a parked answer again",
    dependencies=requires(Act.REDELIVER),
    responses=problems(409),
)
async def redeliver_answer(gateway: GatewayOf, callback_id: IdInPath) -> CallbackOut:
    """Deliver again after you fixed the cause. Make sure that no attempt ended with this answer."""
    return to_callback_out(await gateway.operator_service.redeliver(callback_id))


@router.post(
    "/{id}/give-up",
    summary="Give a parked answer up",
    dependencies=requires(Act.GIVE_UP),
    responses=problems(409),
)
async def give_up_answer(
    *, gateway: GatewayOf, callback_id: IdInPath, key: KeyOf, asked: Body[GiveUpIn]
) -> CallbackOut:
    """Ask Temporal, and close a parked answer whose activity has ended or was deleted.

    Repeating this returns the same state. If the activity still waits, the reply is 409.
    """
    giving_up = GiveUpRequest(
        key.id, name=asked.by, reason=asked.reason, temporal_is_gone=asked.temporal_is_gone
    )
    return to_callback_out(await gateway.give_up_service.give_up(callback_id, giving_up))


@router.post("/{id}/link", summary="Create a link to a callback", dependencies=requires(Act.LINK))
async def create_link(
    *,
    gateway: GatewayOf,
    callback_id: IdInPath,
    key: KeyOf,
    asked: Body[LinkIn],
    response: Response,
) -> LinkOut:
    """Return a new link. It is a credential; `POST …/revoke` withdraws it with all others."""
    callback = await get_callback(gateway.store, callback_id)
    link = link_to(
        callback,
        key_id=gateway.keyring.signing,
        verbs=_to_verbs(asked, callback),
        until=None if asked.good_for is None else gateway.clock.now() + asked.good_for,
    )
    await gateway.operator_service.record_link(link, by=key.id)
    response.headers["cache-control"] = "no-store"
    return LinkOut(
        url=gateway.keyring.url(gateway.public_url, link),
        allows=sorted(verb.name.lower() for verb in link.verbs),
        expires_at=link.expires_at,
    )


def to_callback_out(callback: Callback) -> CallbackOut:
    """Return `callback` as replies contain it."""
    return CallbackOut.model_validate(serialize_callback(callback))


def _to_query(filters: ListIn) -> CallbackQuery:
    return CallbackQuery(
        states=frozenset(map(State, filters.state)) or NOT_ENDED,
        is_overdue=filters.overdue,
        **filters.model_dump(exclude={"state", "overdue", "after", "limit"}),
    )


def _to_verbs(asked: LinkIn, callback: Callback) -> frozenset[Verb] | None:
    if asked.verbs is None:
        return None
    wanted = frozenset(Verb[verb.upper()] for verb in asked.verbs)
    if not wanted <= callback.verbs:
        allowed = ", ".join(sorted(verb.name.lower() for verb in callback.verbs))
        raise MalformedRequestError([Problem("/verbs", f"the activity's link allows {allowed}")])
    return wanted
