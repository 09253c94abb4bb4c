"""The routes that need no API key: by link under `/c`, probes, and the front page."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request
from starlette.responses import JSONResponse, Response

from ringback.core.activity_poller import LONGEST
from ringback.core.status import CallbackStatus
from ringback.domain.link import Link, Verb
from ringback.gateway.answer_endpoint import Wait, answer_by_link, applied
from ringback.gateway.api.openapi import (
    A_CANCELLATION,
    A_FAILURE,
    A_HEARTBEAT,
    A_RESULT,
    OF_AN_ANSWER,
    problems,
)
from ringback.gateway.api.routers.answers import Answer, accept_heartbeat
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.identity.person import find_person
from ringback.gateway.page import api_page, front_page, wants_page
from ringback.gateway.pages.question import Visit, find_question, open_by_link, show_question
from ringback.gateway.replies import not_found
from ringback.gateway.view import (
    etag,
    has_changed,
    is_ahead,
    is_one_of,
    to_view,
)
from ringback.schemas.responses import HealthOut, ReadyOut, ReceiptOut, SignOut, ViewOut

router = APIRouter(tags=["by link"], generate_unique_id_function=lambda route: route.name)
probes = APIRouter(tags=["probes"], generate_unique_id_function=lambda route: route.name)

SignedLink = Annotated[
    str, Path(alias="link", description="The signed part of a callback's URL; the credential.")
]
KnownTag = Annotated[
    str | None,
    Header(alias="If-None-Match", description="Your latest `ETag`: 304 if nothing has changed."),
]
_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    **problems(*OF_AN_ANSWER, 422, 503),
    200: {"model": ReceiptOut, "description": "Applied, or the same answer as before."},
    202: {"model": ReceiptOut, "description": "Committed; Ringback delivers it to Temporal."},
}
_PAGE: Final = {"text/html": {"schema": {"type": "string"}}}


@router.head("/c/{link}", include_in_schema=False)
@router.get(
    "/c/{link}",
    summary="Show the state of the callback; changes nothing",
    response_model=ViewOut,
    responses={
        **problems(404, 410, 503),
        200: {"description": "The state.", "content": _PAGE},
        304: {"description": "Nothing has changed since the `ETag` in `If-None-Match`."},
    },
)
async def show_link(
    *,
    gateway: GatewayOf,
    request: Request,
    link: SignedLink,
    wait: Wait,
    known: KnownTag = None,
) -> Response:
    """Return a page for a browser, JSON for a program.

    `Prefer: wait=N` waits for a change: from the state that `If-None-Match` names, or from now.
    """
    if wants_page(request):
        return await _show_page(gateway, request, link)
    verified = gateway.verify(link, Verb.VIEW)
    seen = await gateway.status_service.view(verified.callback_id, serial=verified.serial)
    wait = gateway.verdicts.shorten(verified.callback_id, wait)
    if wait:
        seen = await _wait_for_change(
            gateway, verified, seen, known=known or etag(seen), within=wait
        )
    headers = {"cache-control": "no-store", "etag": etag(seen), **applied(wait)}
    if known is not None and is_one_of(etag(seen), known):
        return Response(status_code=304, headers=headers)
    view = to_view(seen, verified, gateway.link_url(link))
    return JSONResponse(view, headers=headers)


async def _by_link(*, gateway: GatewayOf, request: Request, link: SignedLink, wait: Wait) -> Answer:
    return lambda verb: answer_by_link(gateway, request, link=link, verb=verb, wait=wait)


_ByLink = Annotated[Answer, Depends(_by_link)]


@router.post(
    "/c/{link}", summary="Complete the activity", responses=_ACCEPTED, openapi_extra=A_RESULT
)
async def answer_link(answer: _ByLink) -> Response:
    """Accept a result, as `POST /c/{link}/complete` does."""
    return await answer(Verb.COMPLETE)


@router.post(
    "/c/{link}/complete",
    summary="Complete the activity",
    responses=_ACCEPTED,
    openapi_extra=A_RESULT,
)
async def complete_link(answer: _ByLink) -> Response:
    """Accept a result. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.COMPLETE)


@router.post(
    "/c/{link}/fail", summary="Fail the activity", responses=_ACCEPTED, openapi_extra=A_FAILURE
)
async def fail_link(answer: _ByLink) -> Response:
    """Accept a failure. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.FAIL)


@router.post(
    "/c/{link}/cancel",
    summary="Report that the work was canceled",
    responses=_ACCEPTED,
    openapi_extra=A_CANCELLATION,
)
async def cancel_link(answer: _ByLink) -> Response:
    """Accept a cancellation. The first answer counts; `Prefer: wait=N` waits for the verdict."""
    return await answer(Verb.CANCEL)


@router.post(
    "/c/{link}/heartbeat",
    summary="Send a heartbeat",
    responses=problems(*OF_AN_ANSWER, 422, 503),
    openapi_extra=A_HEARTBEAT,
)
async def heartbeat_link(gateway: GatewayOf, request: Request, link: SignedLink) -> SignOut:
    """Return Temporal's latest reply. Without a body the last details stay."""
    verified = gateway.verify(link, Verb.HEARTBEAT)
    return await accept_heartbeat(gateway, verified.callback_id, request, serial=verified.serial)


@probes.head("/healthz", include_in_schema=False)
@probes.get("/healthz", summary="The process answers")
async def healthz() -> HealthOut:
    """Return 200. It checks nothing."""
    return HealthOut(status="ok")


@probes.head("/readyz", include_in_schema=False)
@probes.get(
    "/readyz",
    summary="Answers can be stored",
    response_model=ReadyOut,
    responses={503: {"model": ReadyOut, "description": "The store fails."}},
)
async def readyz(gateway: GatewayOf) -> Response:
    """Commit a small write, at most once per second, and report whether Temporal can be used."""
    return await gateway.health.check()


@router.head("/", include_in_schema=False)
@router.get("/", include_in_schema=False)
async def front(request: Request) -> Response:
    """Show a browser what this is; a program gets 404."""
    return front_page() if wants_page(request) else not_found()


@router.head("/docs", include_in_schema=False)
@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Show the OpenAPI document as a page that loads nothing else."""
    return api_page(request.app)


async def _show_page(gateway: Gateway, request: Request, link: str) -> Response:
    person = await find_person(gateway, request)
    visit = Visit(gateway, request, open_by_link(gateway, link, person))
    return await show_question(visit, await find_question(visit))


async def _wait_for_change(
    gateway: Gateway, link: Link, seen: CallbackStatus, *, known: str, within: timedelta
) -> CallbackStatus:
    """Return the first status whose tag is not in `known`, or the latest when the time is up.

    The time is also up when the program stops.
    """
    give_up_at = gateway.clock.monotonic() + within
    while is_one_of(etag(seen), known) and gateway.clock.monotonic() < give_up_at:
        if gateway.verdicts.is_stopping:
            break
        left = give_up_at - gateway.clock.monotonic()
        await gateway.verdicts.wait(
            link.callback_id,
            # What ends before it is polled, such as a short pause, never changes the store.
            within=min(left, LONGEST) if is_ahead(seen) else left,
            until=partial(has_changed, seen.callback),
        )
        seen = await gateway.status_service.view(link.callback_id, serial=link.serial)
    return seen
