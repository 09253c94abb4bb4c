"""The OpenAPI document: FastAPI's, with problem details, bodies that routes read, and roles."""

import json
from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ringback.gateway.api.access import Requires
from ringback.gateway.api.bodies import ReadBody
from ringback.gateway.body import FailureBody
from ringback.gateway.example import example_of
from ringback.schemas.votes import DecisionOut

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
_REF: Final = "#/components/schemas/{model}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may reply with these errors."""
    schema = {"$ref": _REF.format(model="ProblemOut")}
    content = {"application/problem+json": {"schema": schema}}
    # What may be unavailable also has a limit.
    all_of = sorted({*statuses, 429}) if _UNAVAILABLE in statuses else statuses
    return {status: {"description": _MEANINGS[status], "content": content} for status in all_of}


def new_router(prefix: str) -> APIRouter:
    """Return a router of the operator API; OpenAPI names its operations after their functions."""
    return APIRouter(
        prefix=f"/v1{prefix}",
        tags=["by key"],
        responses=problems(401, 403, 422, 503),
        generate_unique_id_function=lambda route: route.name,
    )


def _takes(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _takes_json(description: str, example: object) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads any JSON, or no body."""
    content = {"schema": {"description": description, "examples": [example]}}
    return {"requestBody": {"description": description, "content": {"application/json": content}}}


_RESULT: Final = {"receipt": "r-1", "amount": 10}
A_RESULT: Final = _takes_json(
    "The result. An empty body means that the activity has no result.", _RESULT
)
A_FAILURE: Final = _takes(FailureBody)
A_CANCELLATION: Final = _takes_json("The details of the cancellation.", {"reason": "asked to stop"})
A_HEARTBEAT: Final = _takes_json("The details.", {"progress": 0.5})

_EXAMPLES: Final[dict[str, Any]] = {
    "OpenIn": {
        "activity": {
            "namespace": "default",
            "workflow_id": "order-1",
            "run_id": "0199c1b2-6f1e-7d3a-9c55-0f0e4c1b2a3d",
            "activity_id": "5",
            "attempt": 1,
            "task_token": "CiQwMTk5YzFiMg==",
        },
        "options": {
            "deadline": "PT24H",
            "on_deadline": {"verb": "fail", "body": {"message": "nobody decided", "type": "Late"}},
            "title": "Charge order 1",
            "tags": ["charges"],
            "result_schema": {"type": "object", "required": ["receipt"]},
        },
    },
    "ResumedIn": {"attempt": 2},
    "PolledIn": {
        "attempt": 2,
        "task_token": "CiQwMTk5YzFiMg==",
        "answer": {"verb": "complete", "body": _RESULT},
    },
    "FailureBody": {"message": "card declined", "type": "Declined", "non_retryable": True},
    "AnswersIn": {
        "answers": [
            {"callback": "cb_0dj0q6nk5g1e2b3a4c5d6e7f8g", "verb": "complete", "body": _RESULT},
            {"alias": "github:run:42", "verb": "fail", "body": {"message": "card declined"}},
        ]
    },
    "ExtendIn": {"within": "PT90M"},
    "GiveUpIn": {"by": "ada@example.org", "reason": "the workflow was deleted"},
    "LinkIn": {"verbs": ["complete", "view"], "for": "PT1H"},
    "VoteIn": {"by": "ada@example.org", "approved": False, "reason": "too expensive"},
    "ClaimIn": {"by": "ada@example.org", "groups": ["finance"]},
    "ReassignIn": {"assignees": ["user:ada@example.org", "group:finance"]},
    "DetailsIn": {"details": {"euros": 1200}},
    "ChannelTestIn": {"channel": "mail", "to": "ada@example.org"},
    "SourceTestIn": {
        "body": '{"id": "evt_1", "type": "payment_intent.succeeded"}',
        "headers": {"stripe-signature": "t=1893456000,v1=5257a869e7ec"},
    },
    "PurgeIn": {"kind": "callbacks", "older_than": "30d"},
    "SignInUrlIn": {"user": "ada@example.org", "groups": ["finance"], "for": "1h"},
}
"""The bodies of requests; an example of another model is made from its schema."""


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    document = get_openapi(
        title="Ringback",
        version=app.version,
        description=_ABOUT,
        routes=app.routes,
        servers=app.servers,
    )
    models: list[type[BaseModel]] = [FailureBody, DecisionOut]
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                models += _complete(operation, route)
    schemas = document["components"]["schemas"]
    del schemas["HTTPValidationError"], schemas["ValidationError"]
    _, found = models_json_schema([(one, "validation") for one in models], ref_template=_REF)
    schemas |= found["$defs"]
    for name, schema in schemas.items():
        example = _EXAMPLES.get(name) or _example_of(schema, schemas)
        if example is not None:
            schema.setdefault("examples", [example])
    return document


def _complete(operation: dict[str, Any], route: APIRoute) -> Iterator[type[BaseModel]]:
    """Add what a route does not say itself to its operation; yield the models of bodies."""
    responses = operation["responses"]
    # FastAPI adds its own 422 to every route with parameters.
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    # What a path names may not exist.
    statuses = {404} if "{" in route.path else set[int]()
    for dependency in route.dependant.dependencies:
        match dependency.call:
            case Requires(roles=roles):
                operation["x-roles"] = roles
            case ReadBody(model=model):
                yield model
                operation |= _takes(model)
                statuses |= set(OF_A_BODY)
    responses |= {str(status): one for status, one in problems(*statuses).items()}


def _example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    made = example_of(json.dumps({**schema, "components": {"schemas": schemas}}))
    return None if made is None else json.loads(made)
