"""Access: a bearer key, and a role that may do what the route does."""

import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ringback.core.authorize import Authorizing
from ringback.domain.api_key import Act, ApiKey
from ringback.domain.errors import RingbackError
from ringback.gateway.api.values import ID_PATTERN

logger = logging.getLogger(__name__)

_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key: `ringback keys add --role operator --name ci` prints one.",
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets in who may.

    Attributes:
        authorizing: Knows the keys.
    """

    authorizing: Authorizing

    def lets(self, act: Act) -> list[Any]:
        """Return what a route depends on that does `act`."""
        return [Depends(self._check(act))]

    def _check(self, act: Act) -> Callable[..., AsyncIterator[ApiKey]]:
        async def check(
            request: Request,
            given: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
        ) -> AsyncIterator[ApiKey]:
            text = None if given is None else given.credentials
            key = await self.authorizing.authorize(text, act)
            request.state.key_id = key.id
            result = "failed"
            try:
                yield key
                result = "done"
            except RingbackError as exc:
                result = type(exc).__name__
                raise
            finally:
                _log(request, act, result)

        return check


def _log(request: Request, act: Act, result: str) -> None:
    if request.method == "GET":
        return
    given = request.path_params.get("id", "")
    who_and_what = {"key": request.state.key_id, "act": act.value, "result": result}
    # What is no id may be any text.
    callback_id = given if re.fullmatch(ID_PATTERN, given) else None
    logger.info("operator API", extra={**who_and_what, "callback_id": callback_id})
