"""Access to the operator API: an API key, and a role that allows what the route does."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, cast

from fastapi import Depends, Path, Request, Security
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
        _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> AsyncIterator[None]:
        """Do what `access` does while the route runs."""
        async with access(gateway, request, self.act):
            yield

    @property
    def roles(self) -> list[str]:
        """The roles that allow the act."""
        return [role.value for role in Role if self.act in ALLOWED[role]]


@asynccontextmanager
async def access(gateway: Gateway, request: Request, act: Act) -> AsyncIterator[None]:
    """Check the API key of a request; log the change that the block makes.

    Raises:
        UnknownKeyError: The key is missing, unknown or revoked.
        NotAllowedError: Its role does not allow the act.
        StoreUnavailableError: The key cannot be read; retry.
        RingbackError: The block raised it; it is logged.
    """
    sent = await _BEARER(request)
    request.state.key = await gateway.authorizer.authorize(sent.credentials if sent else None, act)
    result = "failed"
    try:
        yield
        result = "done"
    except RingbackError as exc:
        result = type(exc).__name__
        raise
    finally:
        if request.method != "GET":
            _log_change(request, act, result)


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


def requires(act: Act) -> list[Any]:
    """Return the `dependencies` of a route that does `act`."""
    return [Depends(Requires(act))]


async def _key(request: Request) -> ApiKey:
    return cast("ApiKey", request.state.key)


KeyOf: TypeAlias = Annotated[ApiKey, Depends(_key)]
"""A parameter of a route that `requires` an act: the API key of the request."""


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


IdInPath: TypeAlias = Annotated[CallbackId, Depends(_callback_id)]
"""A parameter of a route under `/callbacks/{id}`."""


def to_alias(text: str) -> Alias:
    """Return `text` as an alias.

    Raises:
        MalformedRequestError: The text cannot be an alias; the message says why.
    """
    try:
        return Alias(text)
    except ValueError as exc:
        raise MalformedRequestError([Problem("alias", str(exc))]) from exc


async def _alias(text: Annotated[str, Path(alias="alias")]) -> Alias:
    return to_alias(text)


AliasInPath: TypeAlias = Annotated[Alias, Depends(_alias)]
"""A parameter of a route with `{alias:path}`: an alias may contain a slash."""
