"""Slack's Web API: calls over HTTP with a bot token, and what their errors mean."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import httpx2

from ringback.domain.notification import LONGEST_ERROR, shorten, to_visible

TIMEOUT: Final = timedelta(seconds=10)
"""The timeout of one call."""

_FINAL: Final = frozenset({
    "block_mismatch",
    "cant_update_message",
    "edit_window_closed",
    "expired_trigger_id",
    "invalid_arguments",
    "invalid_blocks",
    "invalid_trigger_id",
    "is_archived",
    "message_not_found",
    "msg_blocks_too_long",
    "msg_too_long",
    "user_not_found",
    "users_not_found",
})
"""Errors that no later call can avoid. Others pass, or an operator can fix them."""

_ADVICE: Final = {
    "channel_not_found": "is the name right, and is the app in the channel?",
    "not_in_channel": "invite the app to the channel",
    "missing_scope": "the app lacks a permission; see the page on Slack in the documentation",
    "invalid_auth": "check RINGBACK_SLACK_TOKEN",
    "account_inactive": "check RINGBACK_SLACK_TOKEN",
    "token_revoked": "check RINGBACK_SLACK_TOKEN",
}


class SlackError(Exception):
    """A call failed; the message contains no secret.

    Attributes:
        error: Slack's name of the error; empty if Slack did not reply.
        is_final: Whether no later call can succeed.
        retry_after: The wait that Slack requested, if any.
    """

    def __init__(
        self, message: str, *, error: str = "", retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.error = error
        self.is_final = error in _FINAL
        self.retry_after = retry_after


class SlackApi:
    """Calls methods of Slack's Web API."""

    def __init__(self, http: httpx2.AsyncClient, *, base_url: str) -> None:
        """Call over `http`, which sends the token; `base_url` ends before the method's name."""
        self._http = http
        self._base_url = base_url.rstrip("/")

    async def call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply of a method that accepts JSON.

        Raises:
            SlackError: It failed.
        """
        return await self._post(method, json=dict(arguments))

    async def look_up(self, method: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """Return the reply of a method that only reads, and accepts no JSON.

        Raises:
            SlackError: It failed.
        """
        return await self._post(method, data=dict(arguments))

    async def respond(self, url: str, message: Mapping[str, Any]) -> None:
        """Send `message` to the `response_url` of an interaction, which needs no token.

        Raises:
            SlackError: It failed.
        """
        reply = await self._send(url, "response_url", json=dict(message), is_open=True)
        if not reply.is_success:
            msg = f"Slack replied {reply.status_code} to response_url"
            raise SlackError(msg)

    async def _post(self, method: str, **content: Any) -> dict[str, Any]:
        reply = await self._send(f"{self._base_url}/{method}", method, **content)
        if reply.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            after = reply.headers.get("retry-after", "")
            wait = timedelta(seconds=int(after[:6])) if after.isdecimal() else None
            msg = f"Slack limits the rate of {method}"
            raise SlackError(msg, error="ratelimited", retry_after=wait)
        try:
            body = reply.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            msg = f"Slack replied {reply.status_code} to {method}"
            raise SlackError(msg)
        if body.get("ok") is not True:
            raise _to_error(method, str(body.get("error") or f"status {reply.status_code}"))
        return body

    async def _send(
        self, url: str, name: str, *, is_open: bool = False, **content: Any
    ) -> httpx2.Response:
        request = self._http.build_request("POST", url, **content)
        if is_open:
            del request.headers["authorization"]
        try:
            return await self._http.send(request)
        except httpx2.TimeoutException as exc:
            msg = f"Slack did not reply to {name} in time"
            raise SlackError(msg) from exc
        except (httpx2.TransportError, httpx2.InvalidURL) as exc:
            msg = f"Slack cannot be reached for {name}: {type(exc).__name__}"
            raise SlackError(msg) from exc


@asynccontextmanager
async def opened_slack(
    token: str, *, base_url: str, patience: timedelta = TIMEOUT
) -> AsyncIterator[SlackApi]:
    """Open a client of Slack's Web API for the block."""
    async with httpx2.AsyncClient(
        headers={"authorization": f"Bearer {token}", "user-agent": "ringback"},
        timeout=patience.total_seconds(),
        follow_redirects=False,
    ) as http:
        yield SlackApi(http, base_url=base_url)


def _to_error(method: str, error: str) -> SlackError:
    name = shorten(to_visible(error, lines=False), LONGEST_ERROR)
    advice = f" ({_ADVICE[name]})" if name in _ADVICE else ""
    return SlackError(f"Slack refused {method}: {name}{advice}", error=name)
