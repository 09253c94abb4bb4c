"""The public routes: each checks the link, asks the core, and replies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringback.core.accept import Accepting, Receipt
from ringback.core.heartbeat import Heartbeating
from ringback.core.view import Viewing
from ringback.core.watch import Verdicts
from ringback.domain.callback import Callback, State
from ringback.domain.errors import ExpiredCallbackError
from ringback.domain.link import Keyring, Link, Verb
from ringback.domain.outcome import Outcome
from ringback.gateway.body import read_json, to_canceled, to_completed, to_failed
from ringback.gateway.page import page
from ringback.gateway.prefer import wanted_wait
from ringback.gateway.view import to_view, why_ended
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
        """Tell how the callback stands: a page for a browser, JSON for a program."""
        link = self._verify(request, Verb.VIEW)
        seen = await self.viewing.view(link.callback_id)
        view = to_view(seen, link, self._url(request))
        if "text/html" in request.headers.get("accept", ""):
            return page(view)
        return JSONResponse(view, headers={"cache-control": "no-store"})

    async def heartbeat(self, request: Request) -> Response:
        """Pass a heartbeat on; the body is its details."""
        link = self._verify(request, Verb.HEARTBEAT)
        details = await read_json(request, limit=self.body_limit)
        sign = await self.heartbeating.heartbeat(link.callback_id, details)
        deadline = sign.deadline_at
        return JSONResponse({
            "cancel_requested": sign.pulse.cancel_requested,
            "paused": sign.pulse.paused,
            "reset": sign.pulse.reset,
            "deadline": None if deadline is None else deadline.isoformat(),
        })

    def _answers(
        self, verb: Verb, to_outcome: Callable[[bytes | None], Outcome]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            link = self._verify(request, verb)
            outcome = to_outcome(await read_json(request, limit=self.body_limit))
            receipt = await self.accepting.accept(link.callback_id, outcome)
            wait = wanted_wait(request.headers.getlist("prefer"))
            state = await self._state_within(wait, receipt)
            return self._receipt(request, receipt, state, waited=wait)

        return answer

    async def _state_within(self, wait: timedelta, receipt: Receipt) -> State:
        if not wait or receipt.state is State.APPLIED:
            return receipt.state
        callback = await self.verdicts.wait(
            receipt.callback_id, self.store, self.clock, within=wait
        )
        if callback is None:
            return receipt.state
        _check_not_superseded(callback)
        return callback.state

    def _receipt(
        self, request: Request, receipt: Receipt, state: State, *, waited: timedelta
    ) -> Response:
        is_settled = receipt.is_duplicate or state is State.APPLIED
        return JSONResponse(
            {
                "callback": receipt.callback_id,
                "state": state.value,
                "accepted_at": receipt.accepted_at.isoformat(),
                "duplicate": receipt.is_duplicate,
                "status_url": self._url(request),
            },
            status_code=200 if is_settled else 202,
            headers={"preference-applied": f"wait={waited.seconds}"} if waited else {},
        )

    def _verify(self, request: Request, verb: Verb) -> Link:
        text: str = request.path_params["link"]
        return self.keyring.verify(text, verb=verb, now=self.clock.now())

    def _url(self, request: Request) -> str:
        return f"{self.public_url}/c/{request.path_params['link']}"


def _check_not_superseded(callback: Callback) -> None:
    accepted = callback.accepted
    if callback.state is State.SUPERSEDED and accepted is not None:
        at = accepted.verdict_at or accepted.accepted_at
        raise ExpiredCallbackError(callback.id, why_ended(callback) or "it ended", at)
