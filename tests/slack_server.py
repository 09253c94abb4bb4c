"""A local server that speaks the parts of Slack's API that Ringback uses, as documented."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ringback.app.web import bound_socket, served

TOKEN = "xoxb-secret-token"  # noqa: S105 - of a test
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # noqa: S105 - of a test
TEAM = "T0HOME"
_ONLY_FORMS = {"users.info", "users.lookupByEmail", "auth.test"}


@dataclass
class SlackServer:
    """A workspace of one bot.

    Attributes:
        users: The answer of `users.info` by account.
        messages: What each message shows now, by channel and timestamp.
        calls: The method and arguments of each call, in order.
        private: The texts shown to one person alone.
        views: The forms that were opened.
        errors: The error with which the next calls of a method fail, by method.
        limited: How many of the next calls are answered with 429.
        hangs: Whether calls get no reply.
    """

    url: str = ""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    limited: int = 0
    hangs: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Any = field(default_factory=lambda: count(1))

    @property
    def api(self) -> str:
        return f"{self.url}/api"

    @property
    def posted(self) -> list[dict[str, Any]]:
        return self.of("chat.postMessage")

    def of(self, method: str) -> list[dict[str, Any]]:
        """Return the arguments of all calls of a method."""
        return [arguments for name, arguments in self.calls if name == method]

    @property
    def message(self) -> dict[str, Any]:
        """What the only message shows now."""
        (message,) = self.messages.values()
        return message

    def add_user(self, account: str, email: str | None, **facts: Any) -> None:
        profile = {} if email is None else {"email": email}
        self.users[account] = {"id": account, "team_id": TEAM, "profile": profile, **facts}

    async def handle(self, request: Request) -> Response:
        method = request.path_params["method"]
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        arguments = await _read(request, method)
        if arguments is None:
            return JSONResponse({"ok": False, "error": "invalid_arguments"})
        self.calls.append((method, arguments))
        self.changed.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.limited:
            self.limited -= 1
            return PlainTextResponse("", 429, headers={"retry-after": "30"})
        if method in self.errors:
            return JSONResponse({"ok": False, "error": self.errors[method]})
        return JSONResponse(self._answer(method, arguments))

    def _answer(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        match method:
            case "auth.test":
                return {"ok": True, "team_id": TEAM}
            case "users.info":
                user = self.users.get(arguments["user"])
                return {"ok": True, "user": user} if user else _error("user_not_found")
            case "users.lookupByEmail":
                found = [
                    one
                    for one in self.users.values()
                    if one["profile"].get("email") == arguments["email"]
                ]
                return {"ok": True, "user": found[0]} if found else _error("users_not_found")
            case "chat.postMessage":
                return self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "views.open":
                View(**arguments["view"]).validate_json()
                self.views.append(arguments["view"])
                return {"ok": True, "view": arguments["view"]}
            case _:
                return _error("unknown_method")

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        _check_blocks(arguments)
        channel, ts = f"C{arguments['channel'].strip('#@')}", f"1700000000.{next(self._numbers):06}"
        if "thread_ts" not in arguments:
            self.messages[channel, ts] = arguments
        return {"ok": True, "channel": channel, "ts": ts}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        _check_blocks(arguments)
        key = arguments["channel"], arguments["ts"]
        if key not in self.messages:
            return _error("message_not_found")
        self.messages[key] = arguments
        return {"ok": True, "channel": key[0], "ts": key[1]}

    async def take_private(self, request: Request) -> Response:
        assert "authorization" not in request.headers
        message = await request.json()
        assert message["response_type"] == "ephemeral"
        self.private.append(message["text"])
        self.changed.set()
        return PlainTextResponse("ok")

    def press(self, action: str, account: str, **facts: Any) -> dict[str, Any]:
        """Return the payload of pressing a button of the only message."""
        ((channel, ts),) = self.messages
        (value,) = [
            one["value"] for one in buttons_of(self.message) if one.get("action_id") == action
        ]
        return {
            "type": "block_actions",
            "user": {"id": account, "username": "somebody", "team_id": TEAM},
            "team": {"id": TEAM, "domain": "home"},
            "api_app_id": "A0",
            "trigger_id": "1.2.3",
            "container": {"type": "message", "message_ts": ts, "channel_id": channel},
            "response_url": f"{self.url}/actions/T0/1/abc",
            "actions": [{"type": "button", "action_id": action, "value": value}],
            **facts,
        }

    def submit(self, account: str, reason: str | None) -> dict[str, Any]:
        """Return the payload of submitting the latest form."""
        view = self.views[-1]
        block = next(one for one in view["blocks"] if one["type"] == "input")
        typed = {block["block_id"]: {block["element"]["action_id"]: {"value": reason}}}
        return {
            "type": "view_submission",
            "user": {"id": account, "team_id": TEAM},
            "team": {"id": TEAM},
            "view": {**view, "state": {"values": typed}},
        }


def buttons_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the buttons of a message."""
    return [
        element
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def text_of(message: dict[str, Any]) -> str:
    """Return everything that a message shows."""
    return "\n".join(_texts(message["blocks"]))


def _texts(value: Any) -> list[str]:
    match value:
        case {"type": "plain_text" | "mrkdwn", "text": str(text)}:
            return [text]
        case dict():
            return [text for one in value.values() for text in _texts(one)]
        case list():
            return [text for one in value for text in _texts(one)]
        case _:
            return []


def signed(
    payload: dict[str, Any], *, at: float, secret: str = SECRET
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers with which Slack sends a payload."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return body, sign_body(body, at=at, secret=secret)


def sign_body(body: bytes, *, at: float, secret: str = SECRET) -> dict[str, str]:
    """Return the headers with which Slack sends a body."""
    timestamp = str(int(at))
    message = f"v0:{timestamp}:".encode() + body
    signature = hmac.digest(secret.encode(), message, sha256).hex()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": f"v0={signature}",
    }


@asynccontextmanager
async def running_slack() -> AsyncIterator[SlackServer]:
    """Run a server for the block."""
    server, listening = SlackServer(), bound_socket("127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = Starlette(
        routes=[
            Route("/api/{method}", server.handle, methods=["POST"]),
            Route("/actions/{path:path}", server.take_private, methods=["POST"]),
        ]
    )
    async with served(app, listening):
        yield server


async def _read(request: Request, method: str) -> dict[str, Any] | None:
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        # Slack ignores a JSON body of the methods that accept forms alone.
        return None if method in _ONLY_FORMS else await request.json()
    return dict(parse_qsl((await request.body()).decode()))


def _check_blocks(arguments: dict[str, Any]) -> None:
    for block in Block.parse_all(arguments.get("blocks", [])):
        block.validate_json()
    assert len(arguments.get("blocks", [])) <= 50
    assert arguments["text"]


def _error(name: str) -> dict[str, Any]:
    return {"ok": False, "error": name}
