"""Send events of sources to a gateway in this process, and list their outcomes."""

import json
from collections.abc import Mapping, Sequence

import httpx2

from ringback.schemas.events import EventOut
from ringback.testing.event_signing import sign_event
from ringback.testing.kit_gateway import KitGateway
from ringback.testing.manual_clock import settled


class EventSender:
    """Sends events to the sources of a gateway, as providers do.

    Attributes:
        gateway: The gateway.
    """

    gateway: KitGateway

    @property
    def url(self) -> str:
        """The URL of the gateway, on 127.0.0.1."""
        return self.gateway.url

    async def send_event(
        self, source: str, event: object, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send an event as a provider does, signed by the scheme of the source.

        The gateway has stored and led it when the reply arrives: an event that fits a rule answers
        the callback with the rule's alias, or waits for it.

        Args:
            source: The name of the source in `ringback.toml`.
            event: The event as plain JSON, or the body as bytes.
            headers: More headers, such as `X-GitHub-Event`; they win over those of the signature.

        Raises:
            AssertionError: There is no such source, the kit cannot sign for it, or the gateway
                refused the request; the message says why.
        """
        found = self.gateway.sources.get(source)
        if found is None:
            known = ", ".join(self.gateway.sources) or "none"
            msg = f"there is no source {source!r}; the sources are: {known}"
            raise AssertionError(msg)
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        url = f"{self.url}/in/{source}"
        now = self.gateway.parts.edges.clock.now()
        signed = sign_event(found, body, url=url, now=now, headers=headers or {})
        transport = httpx2.ASGITransport(app=self.gateway.moments)
        async with httpx2.AsyncClient(transport=transport) as http:
            reply = await http.post(url, content=body, headers=signed)
        if not reply.is_success:
            msg = f"the source {source} refused the event: {reply.status_code} {reply.text}"
            raise AssertionError(msg)
        await settled()
        return reply

    async def events(self) -> Sequence[EventOut]:
        """Return the events that were sent: each has a `state` and a `reason`.

        Use it where an event did not answer: no rule applies to it, it waits for its alias, or the
        callback refused what the rule made of it.
        """
        return (await self.gateway.operator.events({})).events
