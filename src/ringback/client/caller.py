"""Calls of the gateway's HTTP API: one request, and its reply as a model or an error."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from ringback.client.connections import Connections
from ringback.client.target import Target
from ringback.core.spans import find_loaded_span
from ringback.domain.api_key import from_text
from ringback.domain.errors import GatewayRefusedError, GatewayUnavailableError, RingbackError
from ringback.domain.event_errors import AliasInUseError
from ringback.domain.ids import CallbackId

M = TypeVar("M", bound=BaseModel)

_SECONDS: Final = 10.0
"""How long a call takes at most."""

_JSON: Final = {"content-type": "application/json"}


class Caller:
    """Calls one gateway."""

    def __init__(
        self, target: Target, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """Call the gateway of `target`; `transport` replaces the network in tests."""
        self._target = target
        self._headers = {"authorization": f"Bearer {target.api_key}", "user-agent": "ringback"}
        self._transport = transport or _new_transport(target.url)

    async def __aenter__(self) -> Self:
        """Open the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: timedelta = timedelta(0),
    ) -> bytes:
        """Return the body of the reply; wait for it `patience` longer than usual.

        Raises:
            GatewayUnavailableError: The gateway did not reply; repeat the call.
            RingbackError: The gateway refused the request.
        """
        request = httpx2.Request(
            method,
            f"{self._target.url}{path}",
            content=content,
            params=params,
            headers={
                **self._headers,
                **_trace_headers(),
                **(_JSON if content else {}),
                **(headers or {}),
            },
            extensions={"timeout": _SECONDS + patience.total_seconds()},
        )
        try:
            # Without a client of httpx2: its cookies and redirects take as long as the rest.
            reply = await self._transport.handle_async_request(request)
            await reply.aread()
        except httpx2.TransportError as exc:
            why = str(exc) or type(exc).__name__
            msg = f"the gateway at {self._target.url} cannot be reached ({why}); is it running?"
            raise GatewayUnavailableError(msg) from exc
        if reply.is_success:
            return reply.content
        error = to_error(reply, self._target)
        raise error


def _trace_headers() -> dict[str, str]:
    """Return the trace context of the caller, such as an activity whose worker traces."""
    span = find_loaded_span()
    if span is None:
        return {}
    return {
        "traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags & 1:02x}"
    }


def _new_transport(url: str) -> Connections:
    # Loading the certificates takes 50 ms.
    return Connections(tls=None if url.startswith("http:") else httpx2.create_ssl_context())


def parse(model: type[M], content: bytes) -> M:
    """Return a reply as a `model`.

    Raises:
        GatewayRefusedError: It does not fit the model.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as exc:
        found = "; ".join(f"{one['loc']}: {one['msg']}" for one in exc.errors(include_input=False))
        msg = f"the reply does not fit this version of Ringback ({found}); use one version for both"
        raise GatewayRefusedError(msg, status=200, title="unexpected reply") from None


_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_MOST_DETAIL: Final = 500


def to_error(reply: httpx2.Response, target: Target) -> RingbackError:
    """Return the error that a reply of the gateway of `target` means."""
    problem = _to_problem(reply)
    title, detail = str(problem.get("title", "")), str(problem.get("detail", ""))[:_MOST_DETAIL]
    if not problem:
        detail = f"{target.url} replied {reply.status_code}; is it a Ringback gateway?"
    if reply.status_code == httpx2.codes.UNAUTHORIZED:
        detail = _explain_rejected_key(detail, target)
    if reply.status_code in _RETRYABLE:
        after = reply.headers.get("retry-after", "")
        wait = timedelta(seconds=int(after)) if after.isdecimal() else None
        return GatewayUnavailableError(detail or title, retry_after=wait)
    if title == "alias in use":
        named = {name: str(problem.get(name, "")) for name in ("alias", "callback", "workflow_id")}
        owner = CallbackId(named["callback"])
        return AliasInUseError(named["alias"], owner, named["workflow_id"])
    return GatewayRefusedError(detail or title, status=reply.status_code, title=title)


def _explain_rejected_key(detail: str, target: Target) -> str:
    rejected = f"the gateway at {target.url} rejects the API key of {target.source}"
    parts = from_text(target.api_key)
    if parts is None:
        return (
            f"{rejected}: it is not a key, which begins with rbk_ and which `ringback keys add`"
            " prints"
        )
    why = "is revoked" if "revoked" in detail else "is not in its store, or its secret is another"
    return (
        f"{rejected}: the key {parts[0]} {why}; `ringback keys list` shows all, and"
        " `ringback keys add` creates one"
    )


def _to_problem(reply: httpx2.Response) -> dict[str, Any]:
    if not reply.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        problem = reply.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
