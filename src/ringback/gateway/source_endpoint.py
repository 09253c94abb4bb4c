"""The route that providers call: verify, store, acknowledge. What an event means comes after.

A provider gets 2xx only once its request is committed, or was before; 401 without a detail if the
signature is not right; and 503 if the request could not be stored, so that it comes again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ringback.domain.errors import RingbackError
from ringback.domain.operation_errors import TooManyRequestsError
from ringback.gateway.answer_endpoint import find_posted
from ringback.gateway.body import read_body, run_apart
from ringback.gateway.encoded_bodies import unpack_body
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.replies import not_found, on_ringback_error, problem
from ringback.gateway.source_door import ACCEPTED, DUPLICATE, HANDSHAKE, RATE_LIMITED, SourceDoor
from ringback.ports.events import SourceDelivery
from ringback.sources.config import Source
from ringback.sources.handshakes import Reply, answer_handshake
from ringback.sources.outcomes import to_new_events
from ringback.sources.scheme import FETCHING
from ringback.sources.signatures import delivery_key
from ringback.sources.source_event import SourceEvent
from ringback.sources.verdict import IncomingRequest, Refusal

logger = logging.getLogger(__name__)

router = APIRouter(generate_unique_id_function=lambda route: route.name)

T = TypeVar("T")

_PREFIX: Final = "/in/"


@router.api_route("/in/{source}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
async def receive_event(gateway: GatewayOf, source: str, request: Request) -> Response:
    """Store what a provider sends. Its signature is the credential.

    Raises:
        TooManyRequestsError: The source sends more than its limit.
        RingbackError: It cannot be read or stored.
    """
    door = gateway.source_door
    found = door.sources.get(source)
    if found is None:
        return not_found()
    limit = door.limits.get(source)
    if limit is not None:
        try:
            limit.check()
        except TooManyRequestsError:
            door.ledger.count(source, RATE_LIMITED)
            raise
    raw = None
    try:
        raw = await read_body(request, limit=gateway.body_limit)
        return await _Received(gateway, door, found, request, raw).reply()
    except RingbackError as exc:
        door.ledger.refuse_for(source, exc, size=None if raw is None else len(raw))
        raise


class SourcePath:
    """An ASGI middleware that receives events, and passes everything else on.

    It runs the function of the route without what FastAPI does for each request, which costs more
    processor time than all the rest up to the commit.
    """

    def __init__(self, app: ASGIApp, *, gateway: Gateway) -> None:
        """Receive events for `gateway`; `app` handles the rest."""
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the event of this request, or run the application."""
        source = find_source(scope)
        if source is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            reply = await receive_event(self._gateway, source, request)
        except RingbackError as exc:
            reply = await on_ringback_error(request, exc)
        await reply(scope, receive, send)


def find_source(scope: Scope) -> str | None:
    """Return the source of `POST /in/{source}`; `None` for other requests."""
    source = find_posted(scope, _PREFIX)
    return source if source and "/" not in source else None


@dataclass(frozen=True, slots=True)
class _Received:
    gateway: Gateway
    door: SourceDoor
    source: Source
    request: Request
    raw: bytes = field(repr=False)

    async def reply(self) -> Response:
        body = await self._unpack()
        incoming = self._incoming(body)
        answer = await self._apart(body, lambda: self._handshake(incoming))
        if answer is not None:
            return await self._reply_to_handshake(answer)
        if self.request.method != "POST":
            if self.source.scheme.handshake is not None:
                logger.warning("handshake refused", extra={"source": self.source.name})
            return not_found()
        refusal = await self._apart(body, lambda: self._refusal(incoming))
        if refusal is not None:
            facts = {"source": self.source.name, "reason": refusal.reason.value}
            logger.warning("event refused", extra={**facts, "detail": refusal.message})
            self.door.ledger.refuse(
                self.source.name, refusal.reason.value, refusal.message, size=len(self.raw)
            )
            if refusal.is_temporary:
                return _try_again()
            return problem(401, "not verified", "the request could not be verified")
        if self.source.batch is None:
            delivery = await run_apart(body, lambda: self._delivery(incoming))
        else:
            delivery = await asyncio.to_thread(self._delivery, incoming)
        is_new = await self.door.event_service.store(delivery)
        self.door.ledger.count(self.source.name, ACCEPTED if is_new else DUPLICATE)
        return JSONResponse({"duplicate": not is_new})

    async def _unpack(self) -> bytes:
        if self.request.headers.get("content-encoding", "").strip().lower() != "gzip":
            return self.raw
        return await unpack_body(self.request, self.raw, limit=self.gateway.body_limit)

    def _incoming(self, body: bytes) -> IncomingRequest:
        scope = self.request.scope
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1").partition("?")[0]
        url = self.gateway.public_url + path + (f"?{query}" if query else "")
        return IncomingRequest(self.request.method, url, self.request.headers.raw, body)

    async def _apart(self, body: bytes, verify: Callable[[], T]) -> T:
        # A certificate may have to be fetched.
        if self.source.scheme.check in FETCHING:
            return await asyncio.to_thread(verify)
        return await run_apart(max(body, self.raw, key=len), verify)

    def _handshake(self, incoming: IncomingRequest) -> Reply | None:
        now = self.gateway.clock.now()
        source = self.source
        return answer_handshake(
            source.verifier,
            source.secrets,
            incoming,
            now=now,
            verify_token=source.verify_token,
        )

    async def _reply_to_handshake(self, answer: Reply) -> Response:
        if answer.confirm_url is not None and self.door.fetch is not None:
            try:
                await asyncio.to_thread(self.door.fetch, answer.confirm_url)
            except OSError:
                return _try_again()
        facts = {"source": self.source.name}
        if answer.offered_secret is not None and self.door.keep_offer is not None:
            keep = self.door.keep_offer
            try:
                path = await asyncio.to_thread(keep, self.source.name, answer.offered_secret)
            except OSError as exc:
                detail = f"the offered secret cannot be written: {exc.strerror}"
                logger.error("handshake failed", extra={**facts, "detail": detail})  # noqa: TRY400 - the traceback adds nothing
                return _try_again()
            facts["offered_secret_file"] = str(path)
        logger.info("handshake answered", extra=facts)
        self.door.ledger.count(self.source.name, HANDSHAKE)
        headers = dict(answer.headers)
        return Response(answer.body, answer.status, headers, media_type=answer.media_type)

    def _refusal(self, incoming: IncomingRequest) -> Refusal | None:
        now = self.gateway.clock.now()
        verdict = self.source.verifier.verify(incoming, now)
        if isinstance(verdict, Refusal) and incoming.body != self.raw:
            # Some providers sign what they send, others what they have compressed.
            sent = self._incoming(self.raw)
            if not isinstance(self.source.verifier.verify(sent, now), Refusal):
                return None
        return verdict if isinstance(verdict, Refusal) else None

    def _delivery(self, incoming: IncomingRequest) -> SourceDelivery:
        source, body = self.source, incoming.body
        headers = {
            name: value for name, value in self.request.headers.items() if name in source.headers
        }
        key = delivery_key(source.scheme, incoming)
        named = f"{source.name}\0{key or ''}\0".encode("utf-8", "surrogatepass")
        return SourceDelivery(
            namespace=self.gateway.namespace,
            source=source.name,
            digest=sha256(named + body).hexdigest(),
            delivery_key=key,
            headers=headers,
            body=body,
            events=to_new_events(
                source,
                SourceEvent(body, headers),
                limit=self.gateway.body_limit,
                new_id=self.door.new_event_id,
            ),
        )


def _try_again() -> Response:
    reply = problem(503, "not verified yet", "the request cannot be verified now; send it again")
    reply.headers["retry-after"] = "30"
    return reply
