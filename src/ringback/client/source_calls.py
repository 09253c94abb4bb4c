"""The calls about sources and their events."""

import json
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

from ringback.client.caller import Caller, parse
from ringback.schemas.events import EventRecordOut, EventsOut
from ringback.schemas.sources import RefusalsOut, SourcesOut, SourceTestOut


class SourceCalls(Caller):
    """Calls about sources and their events."""

    async def events(self, filters: Mapping[str, str]) -> EventsOut:
        """Return a page of events of sources; `filters` are those of `EventsIn`."""
        return parse(EventsOut, await self.call("GET", "/v1/events", params=filters))

    async def event(self, event_id: str) -> EventRecordOut:
        """Return all that is stored of an event."""
        path = f"/v1/events/{quote(event_id, safe='')}"
        return parse(EventRecordOut, await self.call("GET", path))

    async def sources(self) -> SourcesOut:
        """Return the configured sources."""
        return parse(SourcesOut, await self.call("GET", "/v1/sources"))

    async def refused_requests(self, source: str) -> RefusalsOut:
        """Return the latest refused requests of a source, newest first."""
        path = f"/v1/sources/{quote(source, safe='')}/refused"
        return parse(RefusalsOut, await self.call("GET", path))

    async def test_source(
        self, source: str, body: bytes, headers: Mapping[str, str]
    ) -> SourceTestOut:
        """Return what a source would do with a request; the gateway stores nothing."""
        asked = {"body_base64": b64encode(body).decode(), "headers": dict(headers)}
        path = f"/v1/sources/{quote(source, safe='')}/test"
        reply = await self.call("POST", path, content=json.dumps(asked).encode())
        return parse(SourceTestOut, reply)

    async def replay_event(self, event_id: str, *, to_current: bool = False) -> EventRecordOut:
        """Begin an event again; return it afterwards.

        If its alias leads to another callback than before, it needs `to_current`.
        """
        path = f"/v1/events/{quote(event_id, safe='')}/replay"
        params = {"to_current": "true"} if to_current else None
        return parse(EventRecordOut, await self.call("POST", path, params=params))
