"""The gateway as an ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware

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
    app = _App(
        title="Ringback",
        version=gateway.version,
        servers=[{"url": gateway.public_url}],
        # Not `include_router`: these routes are found by one loop, also for the header `Allow`.
        routes=[route for router in routers for route in router.routes],
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # A redirect would repeat the link in a header and reveal which paths exist.
        redirect_slashes=False,
        middleware=[
            Middleware(BodyBudget, largest=gateway.body_limit),
            Middleware(HotPath, gateway=gateway),
        ],
        exception_handlers={
            RingbackError: on_ringback_error,
            RequestValidationError: on_invalid_request,
            404: on_not_found,
            405: on_method_not_allowed,
            Exception: on_bug,
        },
    )
    app.state.gateway = gateway
    return app


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = describe(self)
        return self.openapi_schema
