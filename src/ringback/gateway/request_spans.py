"""Spans of requests, named by their routes: the path of a request may contain a link."""

import time
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringback.core.spans import Span, Tracer, parse_traceparent
from ringback.domain.api_key import Act
from ringback.gateway.answer_endpoint import find_link
from ringback.gateway.api.routers.workers import find_call
from ringback.gateway.source_endpoint import find_source

_UNTRACED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_API: Final = "/v1/"
_HEADER: Final = b"traceparent"


class RequestSpans:
    """An ASGI middleware that records a span for each request, except for most answers.

    The span of a request with an API key is a child of the client's. All other clients are
    strangers, who must not decide what is recorded or add to a trace, so their spans are linked.

    An answer by link gets a span only if its sender traces too, or if it fails: a span costs a
    tenth of what accepting an answer does, and the span of the commit shows the answer already.
    """

    def __init__(self, app: ASGIApp, *, tracer: Tracer) -> None:
        """Record the requests of `app` with `tracer`."""
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle this request."""
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        sent = _find_traceparent(scope)
        if sent is None and find_link(scope) is not None:
            await self._record_failure(scope, receive, send)
            return
        has_key = scope["path"].startswith(_API)
        request_span = self._tracer.request_span(
            _method(scope), parent=sent if has_key else None, link=None if has_key else sent
        )
        with request_span as span:
            status = _Status(send)
            try:
                await self._app(scope, receive, status.send)
            finally:
                _describe(span, scope, status.code)

    async def _record_failure(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.time_ns()
        status = _Status(send)
        try:
            await self._app(scope, receive, status.send)
        finally:
            if status.code >= HTTPStatus.BAD_REQUEST:
                method = _method(scope)
                with self._tracer.request_span(method, parent=None, link=None, began=began) as span:
                    _describe(span, scope, status.code)


class _Status:
    """Sends the reply, and keeps its status; 500 until there is one."""

    __slots__ = ("_send", "code")

    def __init__(self, send: Send) -> None:
        self.code = 500
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.code = message["status"]
        await self._send(message)


def _find_traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _HEADER:
            return parse_traceparent(value.decode("latin-1"))
    return None


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in _METHODS else "_OTHER"


def _describe(span: Span, scope: Scope, status: int) -> None:
    route = find_route(scope)
    span.note({"http.response.status_code": status})
    if route is not None:
        span.rename(f"{_method(scope)} {route}")
        span.note({"http.route": route})
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(str(status))


def find_route(scope: Scope) -> str | None:
    """Return the path of the route that handled a request, such as `/c/{link}`; `None` without."""
    route = scope.get("route")
    if route is not None:
        path: str = route.path
        return path
    # These are handled before the routing.
    if find_link(scope) is not None:
        return "/c/{link}"
    if find_source(scope) is not None:
        return "/in/{source}"
    call = find_call(scope)
    if call is None:
        return None
    return "/v1/callbacks" if call[0] is Act.OPEN else "/v1/callbacks/{id}/submitted"
