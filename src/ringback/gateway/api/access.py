"""Access to the operator API: an API key, and a role that allows what the route does."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ringback.domain.alias import Alias
from ringback.domain.api_key import ALLOWED, Act, ApiKey, Role
from ringback.domain.errors import (
    MalformedRequestError,
    Problem,
    RingbackError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.gateway.api.openapi import problems
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.schemas.values import ID_PATTERN

logger = logging.getLogger(__name__)

_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key: `ringback keys add --role operator --name ci` prints one.",
)


@dataclass(frozen=True, slots=True)
class Requires:
    """A dependency that checks the API key of a request, and logs the change that it makes.

    Attributes:
        act: What the role of the key must allow.
    """

    act: Act

    async def __call__(
        self,
        gateway: GatewayOf,
        request: Request,
        sent: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> AsyncIterator[ApiKey]:
        """Yield the key.

        Raises:
            UnknownKeyError: The key is missing, unknown or revoked.
            NotAllowedError: Its role does not allow the act.
            StoreUnavailableError: The key cannot be read; retry.
            RingbackError: The route raised it; it is logged.
        """
        async with _access(gateway, request, sent, act=self.act) as key:
            yield key

    @property
    def roles(self) -> list[str]:
        """The roles that allow the act."""
        return [role.value for role in Role if self.act in ALLOWED[role]]


@asynccontextmanager
async def access(gateway: Gateway, request: Request, act: Act) -> AsyncIterator[ApiKey]:
    """Do the same as `Requires` for a request that FastAPI does not handle.

    Raises:
        UnknownKeyError: The key is missing, unknown or revoked.
        NotAllowedError: Its role does not allow the act.
        StoreUnavailableError: The key cannot be read; retry.
        RingbackError: The block raised it; it is logged.
    """
    async with _access(gateway, request, await _BEARER(request), act=act) as key:
        yield key


@asynccontextmanager
async def _access(
    gateway: Gateway, request: Request, sent: HTTPAuthorizationCredentials | None, *, act: Act
) -> AsyncIterator[ApiKey]:
    key = await gateway.authorizer.authorize(sent.credentials if sent else None, act)
    request.state.key = key
    result = "failed"
    try:
        yield key
        result = "done"
    except RingbackError as exc:
        result = type(exc).__name__
        raise
    finally:
        if request.method != "GET":
            _log_change(request, act, result)


def new_router(prefix: str) -> APIRouter:
    """Return a router of the operator API; OpenAPI names its operations after their functions."""
    return APIRouter(
        prefix=f"/v1{prefix}",
        tags=["by key"],
        responses=problems(401, 403, 422, 503),
        generate_unique_id_function=lambda route: route.name,
    )


def requires(act: Act) -> list[Any]:
    """Return the `dependencies` of a route that does `act`."""
    return [Depends(Requires(act))]


def to_callback_id(text: str) -> CallbackId:
    """Return `text` as the id of a callback.

    Raises:
        UnknownCallbackError: The text cannot be an id.
    """
    if not re.fullmatch(ID_PATTERN, text):
        msg = "the path does not contain the id of a callback"
        raise UnknownCallbackError(msg)
    return CallbackId(text)


async def _callback_id(text: Annotated[str, Path(alias="id")]) -> CallbackId:
    return to_callback_id(text)


def to_alias(text: str, *, where: str = "alias") -> Alias:
    """Return `text` as an alias.

    Raises:
        MalformedRequestError: The text cannot be an alias; the message says why.
    """
    try:
        return Alias(text)
    except ValueError as exc:
        raise MalformedRequestError([Problem(where, str(exc))]) from exc


async def _alias(text: Annotated[str, Path(alias="alias")]) -> Alias:
    return to_alias(text)


AliasInPath: TypeAlias = Annotated[Alias, Depends(_alias)]
"""A parameter of a route with `{alias:path}`: an alias may contain a slash."""

IdInPath: TypeAlias = Annotated[CallbackId, Depends(_callback_id)]
"""A parameter of a route under `/callbacks/{id}`."""


def _log_change(request: Request, act: Act, result: str) -> None:
    # Only a valid id is logged: the path can hold any text.
    text = request.path_params.get("id", "")
    callback_id = text if re.fullmatch(ID_PATTERN, text) else None
    facts = {
        "key": request.state.key.id,
        "act": act.value,
        "result": result,
        "callback_id": callback_id,
    }
    logger.info("operator API", extra=facts)
