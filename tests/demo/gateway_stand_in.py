"""A gateway that keeps nothing: it notes what it is told, and replies as it was told to."""

import asyncio
from collections import deque
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class GatewayStandIn:
    """Replies 202 to each answer, or first with what stands in `replies`.

    Attributes:
        callback_url: The link that it gives out.
        action_urls: The link's URL for each action.
        told: What it was told: the verb, and the body.
        replies: The replies to come: status and headers.
        standings: What the next looks at the link show; the last one stays.
    """

    def __init__(self, url: str) -> None:
        self.callback_url = f"{url}/c/secret"
        verbs = {name: name for name in ("complete", "heartbeat", "fail")}
        verbs |= {"report_cancellation": "cancel", "ignore": "heartbeat"}
        self.action_urls = {name: f"{self.callback_url}/{verb}" for name, verb in verbs.items()}
        self.told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.replies: deque[tuple[int, dict[str, str]]] = deque()
        self.standings: deque[dict[str, Any]] = deque()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/c/secret/{verb}", self._answer, methods=["POST"]),
                Route("/c/secret", self._look, methods=["GET"]),
                Route("/callback", self._receive, methods=["POST"]),
            ]
        )

    async def _answer(self, request: Request) -> Response:
        self.told.put_nowait((request.path_params["verb"], await request.json()))
        status, headers = self.replies.popleft() if self.replies else (202, {})
        return JSONResponse({}, status, headers)

    async def _receive(self, request: Request) -> Response:
        self.told.put_nowait((request.url.query, await request.json()))
        return JSONResponse({})

    async def _look(self, _: Request) -> Response:
        is_last = len(self.standings) == 1
        return JSONResponse(self.standings[0] if is_last else self.standings.popleft())
