"""The public routes under `/c`: each checks the link, calls the core, and replies."""

from datetime import timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringback.core.status import CallbackStatus
from ringback.domain.link import Link, Verb
from ringback.gateway.answer_endpoint import AnswerEndpoint
from ringback.gateway.body import read_json, to_canceled, to_failed
from ringback.gateway.gateway import Gateway
from ringback.gateway.page import page, wants_page
from ringback.gateway.prefer import applied, wanted_wait
from ringback.gateway.view import etag, has_moved, is_one_of, to_sign, to_view


def link_routes(gateway: Gateway, complete: AnswerEndpoint) -> list[Route]:
    """Return the routes under `/c`; `complete` accepts results."""
    fail = AnswerEndpoint(gateway, Verb.FAIL, to_failed)
    cancel = AnswerEndpoint(gateway, Verb.CANCEL, to_canceled)
    others = _OtherRoutes(gateway)
    return [
        Route("/c/{link}", complete, methods=["POST"]),
        Route("/c/{link}", others.get, methods=["GET"]),
        Route("/c/{link}/complete", complete, methods=["POST"]),
        Route("/c/{link}/fail", fail, methods=["POST"]),
        Route("/c/{link}/cancel", cancel, methods=["POST"]),
        Route("/c/{link}/heartbeat", others.heartbeat, methods=["POST"]),
    ]


class _OtherRoutes:
    """The routes under `/c` that take no answer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def get(self, request: Request) -> Response:
        """Tell how the callback stands: a page for a browser, JSON for a program.

        Who prefers to wait is told when it changes: from what `If-None-Match` names, or from now.
        """
        link = self._gateway.verify(request.path_params["link"], Verb.VIEW)
        seen = await self._gateway.status_service.view(link.callback_id, serial=link.serial)
        wait = wanted_wait(request.headers.getlist("prefer"))
        known = request.headers.get("if-none-match")
        if wait:
            seen = await self._changed(link, seen, known or etag(seen), within=wait)
        headers = {"cache-control": "no-store", "etag": etag(seen), **applied(wait)}
        if known is not None and is_one_of(etag(seen), known):
            return Response(status_code=304, headers=headers)
        view = to_view(seen, link, self._gateway.url_of(request.path_params["link"]))
        if wants_page(request):
            return page(view)
        return JSONResponse(view, headers=headers)

    async def _changed(
        self, link: Link, seen: CallbackStatus, known: str, *, within: timedelta
    ) -> CallbackStatus:
        """Return the first view that is none of those `known`, or the last before time is up.

        When the program stops, time is up.
        """
        gateway = self._gateway
        give_up_at = gateway.clock.monotonic() + within
        while is_one_of(etag(seen), known) and gateway.clock.monotonic() < give_up_at:
            if gateway.verdicts.is_stopping:
                break
            await gateway.verdicts.wait(
                link.callback_id,
                within=give_up_at - gateway.clock.monotonic(),
                until=partial(has_moved, seen.callback),
            )
            seen = await gateway.status_service.view(link.callback_id, serial=link.serial)
        return seen

    async def heartbeat(self, request: Request) -> Response:
        """Pass a heartbeat on; the body is its details."""
        gateway = self._gateway
        link = gateway.verify(request.path_params["link"], Verb.HEARTBEAT)
        details = await read_json(request, limit=gateway.body_limit)
        sign = await gateway.heartbeat_service.heartbeat(
            link.callback_id, details, serial=link.serial
        )
        return JSONResponse(to_sign(sign))
