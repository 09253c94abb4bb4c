"""The route for Prometheus. It needs no key, like probes: it shows counts only."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from fastapi import APIRouter, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringback.gateway.api.openapi import problems
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.replies import not_found, on_not_found

Render: TypeAlias = Callable[[], Awaitable[bytes]]
"""Returns all metrics as text."""

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_EXAMPLE: Final = {"schema": {"type": "string"}, "example": "ringback_store_up 1.0\n"}

router = APIRouter(generate_unique_id_function=lambda route: route.name)


@router.get(
    "/metrics",
    tags=["probes"],
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        # 404 if they have a port of their own.
        **problems(404),
        200: {"content": {"text/plain": _EXAMPLE}, "description": "Prometheus's text format."},
    },
)
async def show_metrics(gateway: GatewayOf) -> Response:
    """Return all metrics; without those of the store if it cannot be read within a second."""
    render = gateway.render_metrics
    return not_found() if render is None else await _reply(render)


def metrics_app(render: Render) -> Starlette:
    """Return an application that serves only the metrics, and `/healthz` for probes."""

    async def metrics(_: Request) -> Response:
        return await _reply(render)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    routes = [Route("/metrics", metrics), Route("/healthz", healthz)]
    return Starlette(routes=routes, exception_handlers={404: on_not_found})


async def _reply(render: Render) -> Response:
    return Response(await render(), media_type=_CONTENT_TYPE)
