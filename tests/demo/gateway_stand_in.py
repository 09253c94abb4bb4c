"""A fake gateway over HTTP: it records answers, and sends the replies of a test."""

import asyncio
from collections import deque
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class GatewayStandIn:
    """Replies to answers with `replies`, then with 202.

    Attributes:
        callback_url: The link to its callback.
        action_urls: The link's URL for each action.
        answers: The received answers: verb and body.
        replies: The next replies: status and headers.
        states: The next replies to `GET`; the last one is repeated.
    """

    def __init__(self, url: str) -> None:
        self.callback_url = f"{url}/c/secret"
        verbs = {name: name for name in ("complete", "heartbeat", "fail")}
        verbs |= {"report_cancellation": "cancel", "ignore": "heartbeat"}
        self.action_urls = {name: f"{self.callback_url}/{verb}" for name, verb in verbs.items()}
        self.answers: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.replies: deque[tuple[int, dict[str, str]]] = deque()
        self.states: deque[dict[str, Any]] = deque()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/c/secret/{verb}", self._answer, methods=["POST"]),
                Route("/c/secret", self._look, methods=["GET"]),
                Route("/callback", self._receive, methods=["POST"]),
            ]
        )

    async def _answer(self, request: Request) -> Response:
        self.answers.put_nowait((request.path_params["verb"], await request.json()))
        status, headers = self.replies.popleft() if self.replies else (202, {})
        return JSONResponse({}, status, headers)

    async def _receive(self, request: Request) -> Response:
        self.answers.put_nowait((request.url.query, await request.json()))
        return JSONResponse({})

    async def _look(self, _: Request) -> Response:
        is_last = len(self.states) == 1
        return JSONResponse(self.states[0] if is_last else self.states.popleft())
