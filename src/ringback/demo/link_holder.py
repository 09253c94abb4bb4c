"""Who holds a link and answers by it: any service, in any language, with nothing of Ringback's.

Everything it knows is the URL that it was given, so this is also how such a service is written.
"""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx2

from ringback.demo.steps import OnStep, Party, Step, log_step
from ringback.demo.url import extend_path
from ringback.ports.clock import Clock

_PATIENCE: Final = timedelta(seconds=60)
"""For how long one request is tried again."""

_REST: Final = timedelta(milliseconds=500)
"""How long to rest between two tries, if the gateway does not say."""


class LinkHolder:
    """Answers by one link.

    A request is sent again while the gateway cannot be reached or asks for patience. That is safe:
    the gateway knows the same answer when it sees it.
    """

    def __init__(
        self, http: httpx2.AsyncClient, link: str, clock: Clock, *, on_step: OnStep = log_step
    ) -> None:
        """Send requests with `http` to `link`, rest by `clock`, and report steps to `on_step`."""
        self._on_step = on_step
        self._http = http
        self._link = link
        self._clock = clock

    async def post(self, verb: str, body: object) -> bool:
        """Say `verb` with `body`; return whether the gateway took it."""
        self._on_step(Step(Party.SERVICE, Party.GATEWAY, f"POST …/{verb}"))
        reply = await self._send("POST", extend_path(self._link, verb), json=body)
        said = "cannot be reached" if reply is None else str(reply.status_code)
        self._on_step(Step(Party.GATEWAY, Party.SERVICE, said))
        return reply is not None and reply.is_success

    async def look(self) -> dict[str, Any] | None:
        """Return how the callback stands; `None` if the gateway does not tell."""
        reply = await self._send("GET", self._link)
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
    """Return how long to rest before the next try; `None` if `reply` needs none."""
    if reply is None:
        return _REST
    if not reply.is_server_error and reply.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    wanted = reply.headers.get("retry-after", "")
    return timedelta(seconds=int(wanted)) if wanted.isdecimal() else _REST
