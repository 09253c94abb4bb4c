"""Routes that act on callbacks by alias, and that change the aliases of a callback."""

from typing import Annotated

from fastapi import Depends, Request, Response

from ringback.domain.api_key import Act
from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb
from ringback.gateway.answer_endpoint import Wait
from ringback.gateway.api.access import AliasInPath, IdInPath, KeyOf, requires
from ringback.gateway.api.openapi import new_router, problems
from ringback.gateway.api.routers.answers import (
    CANCELS,
    COMPLETES,
    FAILS,
    HEARTBEATS,
    Answer,
    accept_heartbeat,
    answer_by_key,
)
from ringback.gateway.api.routers.callbacks import show_callback, to_callback_out
from ringback.gateway.gateway import GatewayOf
from ringback.schemas.responses import CallbackOut, ShownOut, SignOut

router = new_router("")


async def _find_callback(gateway: GatewayOf, alias: AliasInPath) -> CallbackId:
    return await gateway.alias_service.get(alias)


_OfAlias = Annotated[CallbackId, Depends(_find_callback)]


@router.put(
    "/callbacks/{id}/aliases/{alias:path}",
    summary="Add an alias to a callback",
    dependencies=requires(Act.CHANGE_ALIASES),
    responses=problems(409, 410),
)
async def add_alias(
    *, gateway: GatewayOf, callback_id: IdInPath, alias: AliasInPath, key: KeyOf
) -> CallbackOut:
    """Let an alias lead to the callback until it ends. It is safe to repeat.

    409 names the other callback that has the alias. In the path, `/` is `%2F`.
    """
    return to_callback_out(await gateway.alias_service.add(callback_id, alias, by=key.id))


@router.delete(
    "/callbacks/{id}/aliases/{alias:path}",
    summary="Remove an alias from a callback",
    dependencies=requires(Act.CHANGE_ALIASES),
)
async def remove_alias(
    *, gateway: GatewayOf, callback_id: IdInPath, alias: AliasInPath, key: KeyOf
) -> CallbackOut:
    """Free an alias at once, so that another callback can have it. It is safe to repeat."""
    return to_callback_out(await gateway.alias_service.remove(callback_id, alias, by=key.id))


@router.get(
    "/aliases/{alias:path}",
    summary="Show the callback that an alias leads to",
    dependencies=requires(Act.VIEW),
    responses=problems(410),
)
async def show_alias(gateway: GatewayOf, callback_id: _OfAlias) -> ShownOut:
    """Return what `GET /v1/callbacks/{id}` returns. 410 names the callback that had it last."""
    return await show_callback(gateway, callback_id)


async def _by_alias(
    *, gateway: GatewayOf, callback_id: _OfAlias, request: Request, wait: Wait
) -> Answer:
    return lambda verb: answer_by_key(gateway, callback_id, request, verb=verb, wait=wait)


_ByAlias = Annotated[Answer, Depends(_by_alias)]


@router.post(
    "/aliases/{alias:path}/complete",
    summary="Complete the activity that an alias leads to",
    **COMPLETES,
)
async def complete_alias(answer: _ByAlias) -> Response:
    """Accept a result. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.COMPLETE)


@router.post(
    "/aliases/{alias:path}/fail", summary="Fail the activity that an alias leads to", **FAILS
)
async def fail_alias(answer: _ByAlias) -> Response:
    """Accept a failure. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.FAIL)


@router.post(
    "/aliases/{alias:path}/cancel",
    summary="Report that the activity that an alias leads to was canceled",
    **CANCELS,
)
async def cancel_alias(answer: _ByAlias) -> Response:
    """Accept a cancellation. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.CANCEL)


@router.post(
    "/aliases/{alias:path}/heartbeat",
    summary="Send a heartbeat for the activity that an alias leads to",
    **HEARTBEATS,
)
async def heartbeat_alias(gateway: GatewayOf, callback_id: _OfAlias, request: Request) -> SignOut:
    """Return Temporal's latest reply. Without a body the last details stay."""
    return await accept_heartbeat(gateway, callback_id, request)
