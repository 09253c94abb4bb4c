"""Access: a bearer key, and a role that allows what the route does."""

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ringback.domain.api_key import ALLOWED, Act, ApiKey, Role
from ringback.domain.errors import RingbackError, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.gateway.api.services import services_of
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
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> AsyncIterator[ApiKey]:
        """Yield the key.

        Raises:
            UnknownKeyError: The key is missing, unknown or revoked.
            NotAllowedError: Its role does not allow the act.
            StoreUnavailableError: The key could not be looked up; retry.
            RingbackError: What the route raises, after it was logged.
        """
        text = None if given is None else given.credentials
        key = await services_of(request).authorizer.authorize(text, self.act)
        request.state.key, request.state.key_id = key, key.id
        result = "failed"
        try:
            yield key
            result = "done"
        except RingbackError as exc:
            result = type(exc).__name__
            raise
        finally:
            _log(request, self.act, result)

    @property
    def roles(self) -> list[str]:
        """The roles that allow the act."""
        return [role.value for role in Role if self.act in ALLOWED[role]]


def new_router(prefix: str) -> APIRouter:
    """Return a router whose operations are named after their functions in OpenAPI."""
    return APIRouter(
        prefix=prefix, tags=["by key"], generate_unique_id_function=lambda route: route.name
    )


def requires(act: Act) -> list[Any]:
    """Return `dependencies` for a route that does `act`."""
    return [Depends(Requires(act))]


def to_callback_id(text: str) -> CallbackId:
    """Return the id that `text` is.

    Raises:
        UnknownCallbackError: No callback has such an id.
    """
    if not re.fullmatch(ID_PATTERN, text):
        msg = "this is no id of a callback"
        raise UnknownCallbackError(msg)
    return CallbackId(text)


def _callback_id(text: Annotated[str, Path(alias="id")]) -> CallbackId:
    return to_callback_id(text)


IdInPath: TypeAlias = Annotated[CallbackId, Depends(_callback_id)]
"""A parameter of a route under `/callbacks/{id}`."""


def _log(request: Request, act: Act, result: str) -> None:
    if request.method == "GET":
        return
    given = request.path_params.get("id", "")
    who_and_what = {"key": request.state.key_id, "act": act.value, "result": result}
    # A path that holds no id may hold any text.
    callback_id = given if re.fullmatch(ID_PATTERN, given) else None
    logger.info("operator API", extra={**who_and_what, "callback_id": callback_id})
