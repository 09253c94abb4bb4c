"""The gateway as an ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ringback.domain.errors import RingbackError
from ringback.gateway import metrics_endpoint, slack, source_endpoint, static_files
from ringback.gateway.answer_endpoint import HotPath
from ringback.gateway.api.openapi import describe
from ringback.gateway.api.routers import (
    aliases,
    answers,
    callbacks,
    events,
    links,
    operations,
    sessions,
    votes,
    workers,
)
from ringback.gateway.api.routers import (
    inbox as inbox_api,
)
from ringback.gateway.api.routers.workers import WorkerPath
from ringback.gateway.body_budget import BodyBudget
from ringback.gateway.gateway import Gateway
from ringback.gateway.identity import routes as identity
from ringback.gateway.pages import decide, inbox, inbox_changes
from ringback.gateway.pages import sources as sources_page
from ringback.gateway.replies import (
    on_bug,
    on_invalid_request,
    on_method_not_allowed,
    on_not_found,
    on_ringback_error,
)
from ringback.gateway.request_spans import RequestSpans
from ringback.gateway.source_endpoint import SourcePath


def create_app(gateway: Gateway) -> FastAPI:
    """Return the application; the caller runs the services of `gateway`."""
    routers = (
        links.router,
        links.probes,
        workers.identity,
        workers.router,
        callbacks.router,
        votes.router,
        inbox_api.router,
        answers.router,
        aliases.router,
        events.router,
        events.sources_router,
        operations.router,
        sessions.router,
        identity.router,
        inbox_api.notifications_router,
        slack.router,
        source_endpoint.router,
        inbox.router,
        inbox_changes.router,
        sources_page.router,
        static_files.router,
        metrics_endpoint.router,
        decide.router,
    )
    return _App(
        gateway,
        title="Ringback",
        version=gateway.version,
        servers=[{"url": gateway.public_url}],
        # Not `include_router`: these routes are found by one loop, also for the header `Allow`.
        routes=[route for router in routers for route in router.routes],
        # Its pages load scripts from a public server; `/docs` is ours.
        docs_url=None,
        redoc_url=None,
        # A redirect would repeat the link in a header and reveal which paths exist.
        redirect_slashes=False,
        # Its own spans, in newer versions, contain the path, which may be a link.
        telemetry=dict.fromkeys(("tracing", "metrics", "logs", "auto_configure"), False),
        exception_handlers={
            RingbackError: on_ringback_error,
            RequestValidationError: on_invalid_request,
            404: on_not_found,
            405: on_method_not_allowed,
            Exception: on_bug,
        },
    )


class _App(FastAPI):
    """FastAPI, with the hot path before all that FastAPI does for each request."""

    def __init__(self, gateway: Gateway, **options: Any) -> None:
        super().__init__(**options)
        self.state.gateway = gateway
        rest = WorkerPath(super().__call__, gateway=gateway)
        hot_path = HotPath(SourcePath(rest, gateway=gateway), gateway=gateway)
        budget = BodyBudget(hot_path, largest=gateway.body_limit, hooks=gateway.hooks)
        self._outermost: ASGIApp = ServerErrorMiddleware(budget, handler=on_bug)
        if gateway.tracer.is_on:
            self._outermost = RequestSpans(self._outermost, tracer=gateway.tracer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._outermost(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = describe(self)
        return self.openapi_schema
