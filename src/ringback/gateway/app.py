"""The gateway as an ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import Receive, Scope, Send

from ringback.domain.errors import RingbackError
from ringback.gateway.answer_endpoint import HotPath
from ringback.gateway.api.openapi import describe
from ringback.gateway.api.routers import answers, callbacks, links, workers
from ringback.gateway.body_budget import BodyBudget
from ringback.gateway.gateway import Gateway
from ringback.gateway.replies import (
    on_bug,
    on_invalid_request,
    on_method_not_allowed,
    on_not_found,
    on_ringback_error,
)


def create_app(gateway: Gateway) -> FastAPI:
    """Return the application; the caller runs the services of `gateway`."""
    routers = (links.router, workers.identity, workers.router, callbacks.router, answers.router)
    return _App(
        gateway,
        title="Ringback",
        version=gateway.version,
        servers=[{"url": gateway.public_url}],
        # Not `include_router`: these routes are found by one loop, also for the header `Allow`.
        routes=[route for router in routers for route in router.routes],
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # A redirect would repeat the link in a header and reveal which paths exist.
        redirect_slashes=False,
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
        hot_path = HotPath(super().__call__, gateway=gateway)
        budget = BodyBudget(hot_path, largest=gateway.body_limit)
        self._outermost = ServerErrorMiddleware(budget, handler=on_bug)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._outermost(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = describe(self)
        return self.openapi_schema
