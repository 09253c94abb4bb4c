"""Callbacks for operators: the list, one of them, its history, and what a person changes."""

import json
from typing import Annotated

from fastapi import Query, Request, Response

from ringback.core.operations import get_callback, link_to
from ringback.core.status import serialize_callback, serialize_event
from ringback.domain import query as domain
from ringback.domain.api_key import Act
from ringback.domain.callback import Callback, State
from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb
from ringback.gateway.api.access import IdInPath, new_router, requires
from ringback.gateway.api.bodies import json_body, takes
from ringback.gateway.api.problems import OF_A_BODY, behind_a_key
from ringback.gateway.api.services import Injected
from ringback.gateway.example import example_of
from ringback.schemas.requests import ExtendIn, LinkIn, ListIn
from ringback.schemas.responses import (
    CallbackOut,
    EventOut,
    EventsOut,
    LinkOut,
    PageOut,
    ShownOut,
)

router = new_router("/callbacks")


@router.get(
    "",
    summary="List callbacks, oldest first",
    dependencies=requires(Act.VIEW),
    responses=behind_a_key(),
)
async def list_callbacks(services: Injected, filters: Annotated[ListIn, Query()]) -> PageOut:
    """Return a page by ascending id; ask again with `after` until `next` is null.

    Nothing is counted. A filter by a rare state is fast; any other filter that few callbacks meet
    reads all open ones, and is slower the more there are.
    """
    after = None if filters.after is None else CallbackId(filters.after)
    found = await services.store.page(_to_query(filters), after=after, limit=filters.limit + 1)
    shown = found[: filters.limit]
    return PageOut(
        callbacks=[_to_callback_out(callback) for callback in shown],
        next=shown[-1].id if len(found) > filters.limit else None,
    )


@router.get(
    "/{id}",
    summary="Show a callback",
    dependencies=requires(Act.VIEW),
    responses=behind_a_key(404),
)
async def show_callback(services: Injected, callback_id: IdInPath) -> ShownOut:
    """Return a callback without its link and without the body of its answer."""
    callback = await get_callback(services.store, callback_id)
    schema = await services.schema_of(callback)
    return ShownOut.model_validate({
        **serialize_callback(callback),
        "result_schema": json.loads(schema or "null"),
        "result_example": json.loads(example_of(schema) or "null"),
    })


@router.get(
    "/{id}/events",
    summary="List what happened to a callback",
    dependencies=requires(Act.VIEW),
    responses=behind_a_key(404),
)
async def list_events(services: Injected, callback_id: IdInPath) -> EventsOut:
    """Return the audit trail, oldest first."""
    callback = await get_callback(services.store, callback_id)
    events = await services.store.events(callback.id)
    return EventsOut(events=[EventOut.model_validate(serialize_event(event)) for event in events])


@router.post(
    "/{id}/extend",
    summary="Give a callback more time",
    dependencies=requires(Act.EXTEND),
    responses=behind_a_key(404, 409, *OF_A_BODY),
    openapi_extra=takes(ExtendIn),
)
async def extend_deadline(
    *,
    services: Injected,
    callback_id: IdInPath,
    request: Request,
    asked: Annotated[ExtendIn, json_body(ExtendIn)],
) -> CallbackOut:
    """Set the callback's own deadline to `within` from now. Temporal's timeouts stay."""
    by = request.state.key_id
    return _to_callback_out(
        await services.operator_service.extend(callback_id, asked.within, by=by)
    )


@router.post(
    "/{id}/revoke",
    summary="Revoke all links of a callback",
    dependencies=requires(Act.REVOKE),
    responses=behind_a_key(404),
)
async def revoke_links(services: Injected, callback_id: IdInPath, request: Request) -> CallbackOut:
    """Refuse every link that was made so far. The callback stays open; make a new link for it."""
    by = request.state.key_id
    return _to_callback_out(await services.operator_service.revoke(callback_id, by=by))


@router.post(
    "/{id}/redeliver",
    summary="Deliver a parked answer again",
    dependencies=requires(Act.REDELIVER),
    responses=behind_a_key(404, 409),
)
async def redeliver_answer(services: Injected, callback_id: IdInPath) -> CallbackOut:
    """Deliver again, once the cause is fixed: you decide that no attempt has ended with it."""
    return _to_callback_out(await services.operator_service.redeliver(callback_id))


@router.post(
    "/{id}/link",
    summary="Make a new link to a callback",
    dependencies=requires(Act.LINK),
    responses=behind_a_key(404, *OF_A_BODY),
    openapi_extra=takes(LinkIn),
)
async def create_link(
    *,
    services: Injected,
    callback_id: IdInPath,
    request: Request,
    response: Response,
    asked: Annotated[LinkIn, json_body(LinkIn)],
) -> LinkOut:
    """Return a new link. It is a credential; revoke all links of the callback to withdraw it."""
    callback = await get_callback(services.store, callback_id)
    made = link_to(
        callback,
        key_id=services.keyring.signing,
        verbs=_to_verbs(asked, callback),
        until=None if asked.good_for is None else services.clock.now() + asked.good_for,
    )
    await services.operator_service.record_link(made, by=request.state.key_id)
    response.headers["cache-control"] = "no-store"
    return LinkOut(
        url=services.keyring.url(services.public_url, made),
        allows=sorted(verb.name.lower() for verb in made.verbs),
        expires_at=made.expires_at,
    )


def _to_callback_out(callback: Callback) -> CallbackOut:
    return CallbackOut.model_validate(serialize_callback(callback))


def _to_query(filters: ListIn) -> domain.Query:
    return domain.Query(
        states=frozenset(map(State, filters.state)) or domain.NOT_ENDED,
        workflow_id=filters.workflow_id,
        workflow_type=filters.workflow_type,
        activity_type=filters.activity_type,
        tag=filters.tag,
        opened_after=filters.opened_after,
        opened_before=filters.opened_before,
        older_than=filters.older_than,
        is_overdue=filters.overdue,
    )


def _to_verbs(asked: LinkIn, callback: Callback) -> frozenset[Verb] | None:
    if asked.verbs is None:
        return None
    wanted = frozenset(Verb[verb.upper()] for verb in asked.verbs)
    if not wanted <= callback.verbs:
        allowed = ", ".join(sorted(verb.name.lower() for verb in callback.verbs))
        raise MalformedRequestError([Problem("/verbs", f"the activity's link allows {allowed}")])
    return wanted
