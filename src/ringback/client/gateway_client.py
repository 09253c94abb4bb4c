"""`GatewayClient`: every call of the gateway's HTTP API that has an API key."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from ringback.client.target import Target
from ringback.domain.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    RingbackError,
)
from ringback.domain.exact_json import members
from ringback.schemas.responses import (
    CallbackOut,
    CheckedOut,
    EventOut,
    EventsOut,
    LinkOut,
    OpenedOut,
    PageOut,
    ReceiptOut,
    ResultProblemOut,
    ShownOut,
    SignOut,
    WhoamiOut,
)

M = TypeVar("M", bound=BaseModel)

_TIMEOUT: Final = httpx2.Timeout(10.0, connect=3.0)
_JSON: Final = {"content-type": "application/json"}
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_MOST_DETAIL: Final = 500


class GatewayClient:
    """A client of one gateway, for a worker or an operator.

    Every call may be repeated: the same callback is found, and the same answer is accepted once.
    """

    def __init__(
        self, target: Target, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """Call the gateway of `target`; `transport` replaces the network in tests."""
        self._target = target
        self._http = httpx2.AsyncClient(
            base_url=target.url,
            headers={"authorization": f"Bearer {target.api_key}"},
            timeout=_TIMEOUT,
            transport=transport or _new_transport(target.url),
        )

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
        await self._http.aclose()

    async def whoami(self) -> WhoamiOut:
        """Return the key's name and role, and the gateway's version and namespace."""
        return _parse(WhoamiOut, await self._call("GET", "/v1/whoami"))

    async def open(self, body: bytes) -> tuple[OpenedOut, bytes | None]:
        """Open the callback of an activity, or find it.

        Args:
            body: An `OpenIn` as JSON.

        Returns:
            The callback, and the body of its answer byte for byte, if there is one.
        """
        content = await self._call("POST", "/v1/callbacks", content=body)
        opened = _parse(OpenedOut, content)
        if opened.answer is None:
            return opened, None
        return opened, members(members(content)["answer"]).get("body")

    async def mark_submitted(self, callback_id: str) -> None:
        """Report that the request was submitted: no later attempt submits it again."""
        await self._call("POST", f"/v1/callbacks/{callback_id}/submitted")

    async def confirm_resumed(self, callback_id: str, attempt: int) -> None:
        """Report that an attempt continues with its answer, before its code goes on."""
        content = json.dumps({"attempt": attempt}).encode()
        await self._call("POST", f"/v1/callbacks/{callback_id}/resumed", content=content)

    async def answer(
        self, callback_id: str, verb: str, body: bytes | None, *, wait: timedelta = timedelta(0)
    ) -> ReceiptOut:
        """Answer with `complete`, `fail` or `cancel`, and wait up to `wait` for the verdict."""
        seconds = int(wait.total_seconds())
        headers = {"prefer": f"wait={seconds}"} if seconds else {}
        content = await self._call(
            "POST",
            f"/v1/callbacks/{callback_id}/{verb}",
            content=body,
            headers=headers,
            patience=wait,
        )
        return _parse(ReceiptOut, content)

    async def check(self, callback_id: str, result: bytes) -> list[ResultProblemOut]:
        """Return the problems of a result; the gateway stores nothing."""
        content = await self._call("POST", f"/v1/callbacks/{callback_id}/check", content=result)
        return _parse(CheckedOut, content).problems

    async def heartbeat(self, callback_id: str, details: bytes | None) -> SignOut:
        """Send a heartbeat; return Temporal's latest reply."""
        path = f"/v1/callbacks/{callback_id}/heartbeat"
        return _parse(SignOut, await self._call("POST", path, content=details))

    async def page(self, filters: Mapping[str, str | Sequence[str]]) -> PageOut:
        """Return a page of callbacks; `filters` are those of `ListIn`."""
        return _parse(PageOut, await self._call("GET", "/v1/callbacks", params=filters))

    async def show(self, callback_id: str) -> ShownOut:
        """Return a callback with its result schema."""
        return _parse(ShownOut, await self._call("GET", f"/v1/callbacks/{callback_id}"))

    async def events(self, callback_id: str) -> list[EventOut]:
        """Return the events of a callback, oldest first."""
        content = await self._call("GET", f"/v1/callbacks/{callback_id}/events")
        return _parse(EventsOut, content).events

    async def extend(self, callback_id: str, within: timedelta) -> CallbackOut:
        """Set the callback's own deadline to `within` from now."""
        body = {"within": within.total_seconds()}
        return _parse(CallbackOut, await self._post(callback_id, "extend", body))

    async def revoke(self, callback_id: str) -> CallbackOut:
        """Revoke all links of a callback."""
        return _parse(CallbackOut, await self._post(callback_id, "revoke", None))

    async def redeliver(self, callback_id: str) -> CallbackOut:
        """Deliver a parked answer again."""
        return _parse(CallbackOut, await self._post(callback_id, "redeliver", None))

    async def create_link(
        self, callback_id: str, *, verbs: Sequence[str] | None, good_for: timedelta | None
    ) -> LinkOut:
        """Return a new link to a callback."""
        body: dict[str, object] = {}
        if verbs is not None:
            body["verbs"] = list(verbs)
        if good_for is not None:
            body["for"] = good_for.total_seconds()
        return _parse(LinkOut, await self._post(callback_id, "link", body))

    async def _post(self, callback_id: str, act: str, body: object) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        return await self._call("POST", f"/v1/callbacks/{callback_id}/{act}", content=content)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: timedelta = timedelta(0),
    ) -> bytes:
        request = self._http.build_request(
            method,
            path,
            content=content,
            params=params,
            headers={**(_JSON if content else {}), **(headers or {})},
            timeout=httpx2.Timeout(10.0 + patience.total_seconds(), connect=3.0),
        )
        try:
            reply = await self._http.send(request)
        except httpx2.TransportError as exc:
            why = str(exc) or type(exc).__name__
            msg = f"the gateway at {self._target.url} cannot be reached ({why}); is it running?"
            raise GatewayUnavailableError(msg) from exc
        if reply.is_success:
            return reply.content
        raise self._to_error(reply)

    def _to_error(self, reply: httpx2.Response) -> RingbackError:
        problem = _to_problem(reply)
        title, detail = str(problem.get("title", "")), str(problem.get("detail", ""))[:_MOST_DETAIL]
        if not problem:
            detail = f"{self._target.url} replied {reply.status_code}; is it a Ringback gateway?"
        if reply.status_code == httpx2.codes.UNAUTHORIZED:
            detail = (
                f"the gateway at {self._target.url} rejects the API key of {self._target.source};"
                " `ringback keys list` shows the valid ones"
            )
        if reply.status_code in _RETRYABLE:
            after = reply.headers.get("retry-after", "")
            wait = timedelta(seconds=int(after)) if after.isdecimal() else None
            return GatewayUnavailableError(detail or title, retry_after=wait)
        return GatewayRefusedError(detail or title, status=reply.status_code, title=title)


def _new_transport(url: str) -> httpx2.AsyncHTTPTransport:
    # Loading the certificates takes 50 ms. Redirects are not followed, so an http URL needs none.
    return httpx2.AsyncHTTPTransport(retries=1, verify=not url.startswith("http:"))


def _to_problem(reply: httpx2.Response) -> dict[str, Any]:
    if not reply.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        problem = reply.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _parse(model: type[M], content: bytes) -> M:
    try:
        return model.model_validate_json(content)
    except ValidationError as exc:
        found = "; ".join(f"{one['loc']}: {one['msg']}" for one in exc.errors(include_input=False))
        msg = f"the reply does not fit this version of Ringback ({found}); use one version for both"
        raise GatewayRefusedError(msg, status=200, title="unexpected reply") from None
