"""What happens around `submit`, seen from the gateway: the moments at which a test can act."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Work = Callable[[str], Awaitable[None]]
"""What a test does with the callback that has this id; it raises nothing."""

_MAY_ADD_ALIAS: Final = re.compile(r"POST /v1/callbacks|PUT /v1/callbacks/[^/]+/aliases/.+")
_SUBMITTED: Final = re.compile(r"/v1/callbacks/([^/]+)/submitted")


class Moments:
    """A gateway's application that acts on callbacks before their activities learn anything.

    Attributes:
        before_submit: Run once each, with the next callback that is opened: it is committed, and
            its `submit` has not been called.
        during_submit: Run once each, with the next callback that is submitted: `submit` has sent
            the link, and the gateway does not know that yet.
        on_alias: Called when a callback may have got an alias for which an event waits. A gateway
            looks every second by its clock, which may stand still here.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Pass all requests to `app`."""
        self._app = app
        self.on_alias: Callable[[], None] = lambda: None
        self.before_submit: deque[Work] = deque()
        self.during_submit: deque[Work] = deque()
        self._changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        place = f"{scope.get('method')} {scope['path']}"
        submitted = _SUBMITTED.fullmatch(scope["path"])
        if place == "POST /v1/callbacks":
            await self._open(scope, receive, send)
        else:
            if submitted is not None:
                await _run_next(self.during_submit, submitted[1])
            await self._app(scope, receive, send)
        if _MAY_ADD_ALIAS.fullmatch(place):
            self.on_alias()
        self.announce()

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        opened = _opened(messages)
        if opened is not None:
            await _run_next(self.before_submit, opened)
        for message in messages:
            await send(message)

    def announce(self) -> None:
        """Wake those that wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait until the next request has been handled, or something else was announced."""
        await self._changed.wait()


async def _run_next(works: deque[Work], callback_id: str) -> None:
    if works:
        await works.popleft()(callback_id)


def _opened(messages: list[Message]) -> str | None:
    """Return the id of the callback that a reply shows; `None` if it is a refusal."""
    start, *others = messages
    if start["status"] >= 300:  # noqa: PLR2004 - HTTP's limit of success
        return None
    body = b"".join(message.get("body", b"") for message in others)
    return str(json.loads(body)["id"])
