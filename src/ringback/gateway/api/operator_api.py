"""The operator API as an application, and what it says of itself."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ringback.domain.errors import RingbackError
from ringback.gateway.api.access import Gate
from ringback.gateway.api.answering import AnsweringRoutes, AnswersIn
from ringback.gateway.api.asked import OpenIn
from ringback.gateway.api.bodies import to_malformed
from ringback.gateway.api.described import with_examples
from ringback.gateway.api.looking import LookingRoutes
from ringback.gateway.api.opening import OpeningRoutes
from ringback.gateway.api.operating import ExtendIn, LinkIn, OperatingRoutes
from ringback.gateway.api.public import public_paths
from ringback.gateway.api.reference import reference_page
from ringback.gateway.api.told import ProblemOut, ReceiptOut, SignOut
from ringback.gateway.body import FailureBody
from ringback.gateway.replies import (
    on_bug,
    on_method_not_allowed,
    on_not_found,
    to_known_problem,
)

PREFIX: Final = "/v1"

_ABOUT: Final = (
    "Answers to Temporal activities from outside a worker. The routes under `/c` need nothing but"
    " a link. Those under `/v1` are for operators and for workers in any language, and need an API"
    " key. Errors are problem details (RFC 9457)."
)
_TAKEN: Final = (OpenIn, AnswersIn, ExtendIn, LinkIn, FailureBody)
_TOLD: Final = (ProblemOut, ReceiptOut, SignOut)
_SCHEMA_AT: Final = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class OperatorApi:
    """All of it.

    Attributes:
        gate: Lets in who may.
        opening: The routes of workers.
        looking: The routes of who looks.
        answering: The routes of who answers.
        operating: The routes of who operates.
        version: The version of Ringback.
    """

    gate: Gate
    opening: OpeningRoutes
    looking: LookingRoutes
    answering: AnsweringRoutes
    operating: OperatingRoutes
    version: str

    def routes(self) -> list[BaseRoute]:
        """Return the API under `PREFIX`, and the routes that describe all the gateway has."""
        app, document = self._app(), cache(self.document)

        async def openapi(_: Request) -> Response:
            return JSONResponse(document())

        async def docs(_: Request) -> Response:
            return HTMLResponse(reference_page(document()), headers=_PAGE_HEADERS)

        return [Mount(PREFIX, app), Route("/openapi.json", openapi), Route("/docs", docs)]

    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document of the whole gateway."""
        return describe(self._app(), version=self.version)

    def _app(self) -> FastAPI:
        app = FastAPI(
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            exception_handlers={
                RingbackError: _on_ringback_error,
                RequestValidationError: _on_invalid,
                404: on_not_found,
                405: on_method_not_allowed,
                Exception: on_bug,
            },
        )
        for routes in (self.opening, self.looking, self.answering, self.operating):
            routes.add_to(app.router, self.gate)
        return app


_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
}


def describe(app: FastAPI, *, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of the whole gateway, with `app` under `PREFIX`."""
    document = with_examples(
        get_openapi(title="Ringback", version=version, description=_ABOUT, routes=app.routes)
    )
    paths = {f"{PREFIX}{path}": _tagged(item) for path, item in document["paths"].items()}
    document["paths"] = public_paths() | paths
    schemas = document["components"]["schemas"]
    schemas |= _schemas("validation", _TAKEN) | _schemas("serialization", _TOLD)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def _schemas(mode: Any, models: Any) -> dict[str, Any]:
    _, found = models_json_schema([(model, mode) for model in models], ref_template=_SCHEMA_AT)
    return dict(found["$defs"])


def _tagged(item: dict[str, Any]) -> dict[str, Any]:
    return {method: {"tags": ["by key"], **told} for method, told in item.items()}


async def _on_ringback_error(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RingbackError), "registered for these only"
    return to_known_problem(exc)


async def _on_invalid(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError), "registered for these only"
    return to_known_problem(to_malformed(exc.errors()))
