"""The operator API as an application, and the OpenAPI document of the whole gateway."""

import json
from functools import cache
from types import ModuleType
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ringback.domain.errors import RingbackError
from ringback.gateway.api.access import Requires
from ringback.gateway.api.bodies import to_malformed
from ringback.gateway.api.public import public_paths
from ringback.gateway.api.reference import reference_page
from ringback.gateway.api.routers import answers, callbacks, workers
from ringback.gateway.api.services import Services
from ringback.gateway.body import FailureBody
from ringback.gateway.example import example_of
from ringback.gateway.replies import (
    on_bug,
    on_method_not_allowed,
    on_not_found,
    to_known_problem,
)
from ringback.schemas import requests, responses
from ringback.schemas.requests import ListIn

PREFIX: Final = "/v1"

_ABOUT: Final = (
    "Answers to Temporal activities from outside a worker. The routes under `/c` need only a link."
    " Those under `/v1` are for operators and for workers in any language, and need an API key."
    " Errors are problem details (RFC 9457)."
)
_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
}


def operator_routes(services: Services) -> list[BaseRoute]:
    """Return the operator API under `PREFIX`, and the routes that describe the whole gateway."""
    app = _app(services)
    document = cache(lambda: describe(app))

    async def openapi(_: Request) -> Response:
        return JSONResponse(document())

    async def docs(_: Request) -> Response:
        return HTMLResponse(reference_page(document()), headers=_PAGE_HEADERS)

    return [Mount(PREFIX, app), Route("/openapi.json", openapi), Route("/docs", docs)]


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the whole gateway, with `app` under `PREFIX`."""
    document = get_openapi(
        title="Ringback", version=app.state.services.version, description=_ABOUT, routes=app.routes
    )
    for route in app.routes:
        assert isinstance(route, APIRoute), "the API has no other routes"
        for method in route.methods or ():
            document["paths"][route.path][method.lower()]["x-roles"] = _roles(route)
    paths = {f"{PREFIX}{path}": item for path, item in document["paths"].items()}
    document["paths"] = public_paths() | paths
    document["servers"] = [{"url": app.state.services.public_url}]
    # FastAPI knows only some of the models, and drops what is null in their examples.
    schemas = {
        **_schemas("validation", [FailureBody, *_models(requests)]),
        **_schemas("serialization", _models(responses)),
    }
    for schema in schemas.values():
        whole = json.dumps({**schema, "components": {"schemas": schemas}})
        example = example_of(whole)
        if example is not None:
            schema.setdefault("examples", [json.loads(example)])
    document["components"]["schemas"] = schemas
    return document


def _app(services: Services) -> FastAPI:
    routers = (workers.identity, workers.router, callbacks.router, answers.router)
    app = FastAPI(
        routes=[route for router in routers for route in router.routes],
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
    app.state.services = services
    return app


def _roles(route: APIRoute) -> list[str]:
    calls = (one.call for one in route.dependant.dependencies)
    (check,) = (call for call in calls if isinstance(call, Requires))
    return check.roles


def _models(module: ModuleType) -> list[type[BaseModel]]:
    """Return the models that are written in `module`, but for query parameters."""
    models = [one for one in vars(module).values() if isinstance(one, type)]
    own = [one for one in models if one.__module__ == module.__name__ and one is not ListIn]
    return [one for one in own if issubclass(one, BaseModel)]


def _schemas(mode: Any, models: Any) -> dict[str, Any]:
    named = [(model, mode) for model in models]
    _, found = models_json_schema(named, ref_template="#/components/schemas/{model}")
    return dict(found["$defs"])


async def _on_ringback_error(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RingbackError), "registered for these only"
    return to_known_problem(exc)


async def _on_invalid(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError), "registered for these only"
    return to_known_problem(to_malformed(exc.errors()))
