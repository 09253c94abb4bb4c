"""Revoking links, in memory."""

from dataclasses import replace

from ringback.domain.callback import Callback
from ringback.domain.event import EventKind, named
from ringback.domain.ids import CallbackId
from ringback.testing.memory.shelf import Shelf


class MemoryLinks(Shelf):
    """`Links` in memory."""

    async def revoke(self, callback_id: CallbackId, *, by: str | None = None) -> Callback | None:
        """See `Links.revoke`."""
        self._now()
        callback = self._callbacks.get(callback_id)
        if callback is None:
            return None
        serial = callback.link_serial + 1
        self._record(callback_id, EventKind.REVOKED, {"serial": serial, **named(by)})
        return self._put(replace(callback, link_serial=serial))

    async def record_link(self, callback_id: CallbackId, facts: dict[str, object]) -> None:
        """See `Links.record_link`."""
        self._now()
        if callback_id in self._callbacks:
            self._record(callback_id, EventKind.LINKED, facts)
