"""A service that calls back at URLs that it was given; it needs no code of Ringback.

It uses a URL as it is, so a service in any language can be written like this.
"""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx2

from ringback.demo.steps import OnStep, Party, Step, log_step
from ringback.ports.clock import Clock

_PATIENCE: Final = timedelta(seconds=60)
"""How long one request is retried."""

_REST: Final = timedelta(milliseconds=500)
"""The wait between two tries without `Retry-After`."""


class LinkHolder:
    """Posts to the URLs of one callback.

    It retries while the gateway is unreachable or replies with `Retry-After`. That is safe: the
    gateway recognizes the same answer.
    """

    def __init__(
        self, http: httpx2.AsyncClient, clock: Clock, *, on_step: OnStep = log_step
    ) -> None:
        """Send requests with `http`, wait by `clock`, and report steps to `on_step`."""
        self._on_step = on_step
        self._http = http
        self._clock = clock

    async def post(self, url: str, body: object, *, action: str) -> bool:
        """Post `body` to `url`; return whether it was accepted."""
        self._on_step(Step(Party.SERVICE, Party.GATEWAY, f"POST … ({action})"))
        reply = await self._send("POST", url, json=body)
        said = "cannot be reached" if reply is None else str(reply.status_code)
        self._on_step(Step(Party.GATEWAY, Party.SERVICE, said))
        return reply is not None and reply.is_success

    async def look(self, url: str) -> dict[str, Any] | None:
        """Return the callback's status at `url`; `None` if there is none."""
        reply = await self._send("GET", url)
        if reply is None or not reply.is_success:
            return None
        standing: dict[str, Any] = reply.json()
        return standing

    async def _send(self, method: str, url: str, **content: object) -> httpx2.Response | None:
        """Return the last reply; `None` if there was none."""
        give_up_at = self._clock.now() + _PATIENCE
        while True:
            reply = await self._try(method, url, content)
            rest = _rest_after(reply)
            if rest is None or self._clock.now() + rest > give_up_at:
                return reply
            await self._clock.sleep(rest)

    async def _try(self, method: str, url: str, content: dict[str, Any]) -> httpx2.Response | None:
        try:
            return await self._http.request(method, url, **content)
        except httpx2.TransportError:
            return None


def _rest_after(reply: httpx2.Response | None) -> timedelta | None:
    """Return the wait before the next try; `None` if `reply` is final."""
    if reply is None:
        return _REST
    if not reply.is_server_error and reply.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    wanted = reply.headers.get("retry-after", "")
    return timedelta(seconds=int(wanted)) if wanted.isdecimal() else _REST
