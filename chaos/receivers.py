"""Receivers of messages to people: a chat and a mail server that refuse, hang and lose replies."""

import asyncio
import json
import re
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from enum import StrEnum
from random import Random
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ringback.app.web import bound_socket, served, url_of

CHAT: Final = "slack"
MAIL: Final = "mail"

_TOKEN: Final = "xoxb-chaos"  # noqa: S105 - of a server of its own
_SECRET: Final = "chaos"  # noqa: S105 - the same; nothing is signed with it
_CALLBACK: Final = re.compile(r"cb_[0-9A-Za-z]+")


class Manner(StrEnum):
    """How a receiver treats one request."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    LIMIT = "limit"
    FAIL = "fail"
    HANG = "hang"
    LOSE_REPLY = "lose-reply"
    """It accepts the message, but does not reply."""


_WEIGHTS: Final = {
    Manner.ACCEPT: 84,
    Manner.REFUSE: 5,
    Manner.LIMIT: 3,
    Manner.FAIL: 3,
    Manner.HANG: 2,
    Manner.LOSE_REPLY: 3,
}


@dataclass
class Copy:
    """A first message about a callback; each further one is a duplicate.

    Attributes:
        at: When it arrived.
        name: The chat's name of it, or the `Message-ID` of a mail.
        shown: What it showed in the beginning and after each change.
        is_replied: Whether the sender got the reply.
    """

    at: datetime
    name: str
    shown: list[str] = field(default_factory=list)
    is_replied: bool = True


class Receivers:
    """A chat and a mail server on this machine, which count what they receive."""

    def __init__(self, random: Random, *, is_bad: bool) -> None:
        """Treat requests by chance if `is_bad`; otherwise accept them all."""
        self._random = random
        self._is_bad = is_bad
        self._chat = bound_socket("127.0.0.1", 0)
        self._mail = bound_socket("127.0.0.1", 0)
        self._calm = asyncio.Event()
        self._posted: dict[str, Copy] = {}
        self.copies: defaultdict[tuple[str, str], list[Copy]] = defaultdict(list)
        self.refused: Counter[tuple[str, str]] = Counter()
        self.manners: Counter[Manner] = Counter()

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings of a gateway that sends to them."""
        return {
            "RINGBACK_SLACK_TOKEN": _TOKEN,
            "RINGBACK_SLACK_SIGNING_SECRETS": _SECRET,
            "RINGBACK_SLACK_API": f"{url_of(self._chat)}/api",
            "RINGBACK_MAIL_URL": f"smtp+insecure://127.0.0.1:{_port(self._mail)}",
            "RINGBACK_MAIL_FROM": "ringback@example.org",
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Receive for the block."""
        app = Starlette(routes=[Route("/api/{method}", self._take_call, methods=["POST"])])
        loop = asyncio.get_running_loop()
        mail = await loop.create_server(lambda: SMTP(_Handler(self), loop=loop), sock=self._mail)
        async with served(app, self._chat):
            try:
                yield
            finally:
                self.calm()
                mail.close()

    def calm(self) -> None:
        """Accept everything from now on, and end the requests that hang."""
        self._is_bad = False
        self._calm.set()

    def choose(self) -> Manner:
        """Return how the next request is treated."""
        manner = Manner.ACCEPT
        if self._is_bad:
            (manner,) = self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        self.manners[manner] += 1
        return manner

    def add(self, channel: str, text: str, name: str) -> Copy:
        """Add a first message."""
        copy = Copy(datetime.now(UTC), name, [text])  # noqa: TID251 - the programs use it too
        self.copies[_callback_in(text), channel].append(copy)
        return copy

    def refuse(self, channel: str, text: str) -> None:
        """Count a request without effect."""
        self.refused[_callback_in(text), channel] += 1

    async def until_calm(self) -> None:
        """Hang."""
        await self._calm.wait()

    async def _take_call(self, request: Request) -> Response:
        arguments = await request.json()
        text, manner = json.dumps(arguments), self.choose()
        if manner in {Manner.ACCEPT, Manner.LOSE_REPLY}:
            reply, copy = self._accept(request.path_params["method"], arguments, text)
            if manner is Manner.LOSE_REPLY:
                copy.is_replied = False
                await self.until_calm()
            return JSONResponse(reply)
        self.refuse(CHAT, text)
        match manner:
            case Manner.LIMIT:
                return PlainTextResponse("", 429, headers={"retry-after": "1"})
            case Manner.FAIL:
                return PlainTextResponse("", 500)
            case Manner.HANG:
                await self.until_calm()
        return JSONResponse({"ok": False, "error": "internal_error"})

    def _accept(
        self, method: str, arguments: Mapping[str, Any], text: str
    ) -> tuple[dict[str, Any], Copy]:
        if method == "chat.update":
            name = arguments["ts"]
            self._posted[name].shown.append(text)
        else:
            name = f"1700000000.{len(self._posted):06}"
            self._posted[name] = self.add(CHAT, text, name)
        return {"ok": True, "channel": "C0", "ts": name}, self._posted[name]


class _Handler:
    """Receives mail; aiosmtpd calls its methods by name."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - its own name
        content = envelope.content
        assert isinstance(content, bytes), "it is not decoded"
        mail = message_from_bytes(content, policy=default)
        body = mail.get_body(("plain",))
        assert body is not None, "each mail has a text"
        text, manner = body.get_content(), self._receivers.choose()
        if manner in {Manner.ACCEPT, Manner.LOSE_REPLY}:
            copy = self._receivers.add(MAIL, text, str(mail["Message-ID"]))
            if manner is Manner.LOSE_REPLY:
                copy.is_replied = False
                await self._receivers.until_calm()
            return "250 accepted"
        self._receivers.refuse(MAIL, text)
        if manner is Manner.HANG:
            await self._receivers.until_calm()
        return "451 4.3.0 not now"


def _callback_in(text: str) -> str:
    found = _CALLBACK.search(text)
    return "" if found is None else found[0]


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port
