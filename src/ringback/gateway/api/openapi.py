"""The OpenAPI document: FastAPI's, with problem details, bodies that routes read, and roles."""

import json
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ringback.gateway.body import FailureBody
from ringback.gateway.example import example_of
from ringback.schemas import examples
from ringback.schemas.answers import AnswersIn
from ringback.schemas.notifications import ChannelTestIn
from ringback.schemas.requests import (
    ExtendIn,
    GiveUpIn,
    LinkIn,
    OpenIn,
    PolledIn,
    ResumedIn,
)
from ringback.schemas.retention import PurgeIn
from ringback.schemas.sign_in import SignInUrlIn
from ringback.schemas.sources import SourceTestIn
from ringback.schemas.votes import (
    ClaimIn,
    DecisionOut,
    DetailsIn,
    ReassignIn,
    VoteIn,
)

OF_A_BODY: Final = (400, 413, 415)
"""Errors of a route that reads a body."""

OF_AN_ANSWER: Final = (404, 409, 410, *OF_A_BODY)
"""Errors of a route that accepts an answer."""

_UNAVAILABLE: Final = 503

_ABOUT: Final = (
    "Answers to Temporal activities from outside a worker. The routes under `/c` need only a link."
    " Those under `/v1` are for operators and for workers in any language, and need an API key."
    " Errors are problem details (RFC 9457)."
)
_MEANINGS: Final = {
    400: "The body cannot be read; `detail` says where.",
    401: "The API key is missing, unknown or revoked.",
    403: "The role of the key does not allow this.",
    404: "The callback or alias does not exist, or the link is invalid or does not allow this.",
    409: "The state of the callback does not allow this; `detail` says why.",
    410: "Too late: the activity or the callback of the alias ended; `detail` says how. Or the"
    " callback of the link was deleted, or an older backup was restored.",
    413: "The body, or its encoding for Temporal, is too large.",
    415: "The body is declared as something other than JSON.",
    422: "The request is invalid; `errors` says what is wrong, and where.",
    429: "Too many requests; retry after `Retry-After` seconds, and less often.",
    503: "The store or Temporal is unavailable, or the gateway is overloaded. Retry after"
    " `Retry-After` seconds.",
}
_READ_BY_ROUTES: Final = (
    *(SignInUrlIn, SourceTestIn, PurgeIn),
    *(OpenIn, ResumedIn, PolledIn, AnswersIn, ExtendIn, GiveUpIn, LinkIn, FailureBody),
    *(VoteIn, ClaimIn, ReassignIn, DetailsIn, ChannelTestIn),
)
_RESULTS: Final = (DecisionOut,)
"""What activities return by themselves: no route has it, but clients in other languages need it."""

_REF: Final = "#/components/schemas/{model}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may reply with these errors."""
    schema = {"$ref": _REF.format(model="ProblemOut")}
    content = {"application/problem+json": {"schema": schema}}
    # What may be unavailable also has a limit.
    all_of = sorted({*statuses, 429}) if _UNAVAILABLE in statuses else statuses
    return {status: {"description": _MEANINGS[status], "content": content} for status in all_of}


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads a `model` itself."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _takes_json(description: str, example: object) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads any JSON, or no body."""
    content = {"schema": {"description": description, "examples": [example]}}
    return {"requestBody": {"description": description, "content": {"application/json": content}}}


A_RESULT: Final = _takes_json(
    "The result. An empty body means that the activity has no result.", examples.RESULT
)
A_CANCELLATION: Final = _takes_json("The details of the cancellation.", examples.REASON)
A_HEARTBEAT: Final = _takes_json("The details.", examples.DETAILS)


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    document = get_openapi(
        title="Ringback",
        version=app.version,
        description=_ABOUT,
        routes=app.routes,
        servers=app.servers,
    )
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation |= {"x-roles": roles} if (roles := list(_roles(route))) else {}
                _drop_default_error(operation)
    schemas = document["components"]["schemas"]
    del schemas["HTTPValidationError"], schemas["ValidationError"]
    _, found = models_json_schema(
        [(model, "validation") for model in (*_READ_BY_ROUTES, *_RESULTS)], ref_template=_REF
    )
    schemas |= found["$defs"]
    for schema in schemas.values():
        _add_example(schema, schemas)
    return document


def _roles(route: APIRoute) -> Iterator[str]:
    for dependency in route.dependant.dependencies:
        yield from getattr(dependency.call, "roles", ())


def _drop_default_error(operation: dict[str, Any]) -> None:
    # FastAPI adds its own 422 to every route with parameters.
    if "HTTPValidationError" in str(operation["responses"].get("422")):
        del operation["responses"]["422"]


def _add_example(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    example = example_of(json.dumps({**schema, "components": {"schemas": schemas}}))
    if example is not None:
        schema.setdefault("examples", [json.loads(example)])
