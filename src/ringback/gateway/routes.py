"""The public routes: each checks the link, asks the core, and replies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringback.core.accept import Accepting
from ringback.core.heartbeat import Heartbeating
from ringback.core.view import View, Viewing
from ringback.core.watch import Verdicts
from ringback.domain.errors import UnknownCallbackError
from ringback.domain.link import Keyring, Link, Verb
from ringback.domain.outcome import Outcome
from ringback.gateway.body import read_json, to_canceled, to_completed, to_failed
from ringback.gateway.body_budget import release_bytes
from ringback.gateway.page import page, wants_page
from ringback.gateway.prefer import applied, wanted_wait
from ringback.gateway.receipts import Receipts
from ringback.gateway.unknown_keys import UnknownKeys
from ringback.gateway.view import etag, has_moved, is_one_of, to_sign, to_view
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackStore


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the routes ask.

    Attributes:
        keyring: Checks links.
        accepting: Takes outcomes.
        heartbeating: Takes heartbeats.
        viewing: Tells how a callback stands.
        verdicts: Tells of verdicts, for who waits for one.
        store: Where a waiting sender's callback is read.
        clock: Judges the expiry of links.
        unknown_keys: Warns of links that were signed with other keys.
        public_url: Where the outside reaches this gateway, without a slash at its end.
        body_limit: The largest body, in bytes.
    """

    keyring: Keyring
    accepting: Accepting
    heartbeating: Heartbeating
    viewing: Viewing
    verdicts: Verdicts
    store: CallbackStore
    clock: Clock
    unknown_keys: UnknownKeys
    public_url: str
    body_limit: int

    def routes(self) -> list[Route]:
        """Return the routes under `/c`."""
        complete = self._answers(Verb.COMPLETE, to_completed)
        return [
            Route("/c/{link}", complete, methods=["POST"]),
            Route("/c/{link}", self.get, methods=["GET"]),
            Route("/c/{link}/complete", complete, methods=["POST"]),
            Route("/c/{link}/fail", self._answers(Verb.FAIL, to_failed), methods=["POST"]),
            Route("/c/{link}/cancel", self._answers(Verb.CANCEL, to_canceled), methods=["POST"]),
            Route("/c/{link}/heartbeat", self.heartbeat, methods=["POST"]),
        ]

    async def get(self, request: Request) -> Response:
        """Tell how the callback stands: a page for a browser, JSON for a program.

        Who prefers to wait is told when it changes: from what `If-None-Match` names, or from now.
        """
        link = self._verify(request, Verb.VIEW)
        seen = await self.viewing.view(link.callback_id, serial=link.serial)
        wait = wanted_wait(request.headers.getlist("prefer"))
        known = request.headers.get("if-none-match")
        if wait:
            seen = await self._changed(link, seen, known or etag(seen), within=wait)
        headers = {"cache-control": "no-store", "etag": etag(seen), **applied(wait)}
        if known is not None and is_one_of(etag(seen), known):
            return Response(status_code=304, headers=headers)
        view = to_view(seen, link, self._url(request))
        if wants_page(request):
            return page(view)
        return JSONResponse(view, headers=headers)

    async def _changed(self, link: Link, seen: View, known: str, *, within: timedelta) -> View:
        """Return the first view that is none of those `known`, or the last before time is up.

        When the program stops, time is up.
        """
        give_up_at = self.clock.monotonic() + within
        while is_one_of(etag(seen), known) and self.clock.monotonic() < give_up_at:
            if self.verdicts.is_stopping:
                break
            await self.verdicts.wait(
                link.callback_id,
                self.store,
                self.clock,
                within=give_up_at - self.clock.monotonic(),
                until=partial(has_moved, seen.callback),
            )
            seen = await self.viewing.view(link.callback_id, serial=link.serial)
        return seen

    async def heartbeat(self, request: Request) -> Response:
        """Pass a heartbeat on; the body is its details."""
        link = self._verify(request, Verb.HEARTBEAT)
        details = await read_json(request, limit=self.body_limit)
        sign = await self.heartbeating.heartbeat(link.callback_id, details, serial=link.serial)
        return JSONResponse(to_sign(sign))

    def _answers(
        self, verb: Verb, to_outcome: Callable[[bytes | None], Outcome]
    ) -> Callable[[Request], Awaitable[Response]]:
        receipts = Receipts(self.verdicts, self.store, self.clock)

        async def answer(request: Request) -> Response:
            link = self._verify(request, verb)
            receipt = await self.accepting.accept(
                link.callback_id,
                to_outcome(await read_json(request, limit=self.body_limit)),
                serial=link.serial,
            )
            # The answer is committed. A sender may wait for its verdict for a minute from here.
            release_bytes(request)
            return await receipts.reply(request, receipt, status_url=self._url(request))

        return answer

    def _verify(self, request: Request, verb: Verb) -> Link:
        text: str = request.path_params["link"]
        try:
            return self.keyring.verify(text, verb=verb, now=self.clock.now())
        except UnknownCallbackError:
            if (key_id := self.keyring.unknown_key_id(text)) is not None:
                self.unknown_keys.report(key_id)
            raise

    def _url(self, request: Request) -> str:
        return f"{self.public_url}/c/{request.path_params['link']}"
