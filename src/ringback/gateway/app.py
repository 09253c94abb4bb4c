"""The gateway as an ASGI application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback.domain.errors import RingbackError
from ringback.domain.link import Verb
from ringback.gateway.answer_endpoint import AnswerEndpoint, HotPath
from ringback.gateway.api.operator_api import operator_routes
from ringback.gateway.api.services import Services
from ringback.gateway.body import to_completed
from ringback.gateway.body_budget import BodyBudget
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import Health
from ringback.gateway.page import front_page, wants_page
from ringback.gateway.replies import (
    not_found,
    on_bug,
    on_method_not_allowed,
    on_not_found,
    on_ringback_error,
)
from ringback.gateway.routes import link_routes


def create_app(gateway: Gateway, health: Health, services: Services | None = None) -> Starlette:
    """Return the application; its services are run by whoever made them."""
    complete = AnswerEndpoint(gateway, Verb.COMPLETE, to_completed)
    app = Starlette(
        routes=[
            *link_routes(gateway, complete),
            *health.routes(),
            Route("/", _front),
            *(operator_routes(services) if services else []),
        ],
        middleware=[
            Middleware(BodyBudget, largest=gateway.body_limit),
            Middleware(HotPath, complete=complete),
        ],
        exception_handlers={
            RingbackError: on_ringback_error,
            404: on_not_found,
            405: on_method_not_allowed,
            Exception: on_bug,
        },
    )
    # A redirect would repeat the link in a header, and tell which paths there are.
    app.router.redirect_slashes = False
    return app


async def _front(request: Request) -> Response:
    """Say to a browser what this is; there is nothing here for a program."""
    return front_page() if wants_page(request) else not_found()
