"""View: what the holder of a link may know."""

from dataclasses import dataclass

from ringback.domain.activity_state import Pending
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    RefusedByTemporalError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.ports.activities import Activities
from ringback.ports.store import CallbackStore


@dataclass(frozen=True, slots=True)
class View:
    """A callback, and its activity as Temporal has it now.

    Attributes:
        callback: The callback.
        pending: The activity, while it waits.
        is_live: Whether Temporal was asked and answered; if not, `pending` is `None` and tells
            nothing.
        result_schema: The JSON Schema of the result of an open callback, as text, if it has one.
    """

    callback: Callback
    pending: Pending | None
    is_live: bool
    result_schema: str | None = None


class Viewing:
    """Looks, and changes nothing."""

    def __init__(self, store: CallbackStore, activities: Activities) -> None:
        """Look into `store` and at `activities`."""
        self._store = store
        self._activities = activities

    async def view(self, callback_id: CallbackId, *, serial: int | None = None) -> View:
        """Return the callback as it stands; an open one with its activity.

        Args:
            callback_id: The callback.
            serial: The serial of the link that the viewer holds, if it came with one.

        Raises:
            UnknownCallbackError: There is no such callback, or the link was revoked.
        """
        callback = (await self._store.find([callback_id])).get(callback_id)
        if callback is None or not callback.accepts_serial(serial):
            raise UnknownCallbackError
        if callback.state is not State.OPEN:
            return View(callback, None, is_live=False)
        schema = await self._result_schema(callback)
        try:
            (pending,) = await self._activities.poll([callback.ref])
        except (TemporalUnreachableError, RefusedByTemporalError):
            return View(callback, None, is_live=False, result_schema=schema)
        return View(callback, pending, is_live=True, result_schema=schema)

    async def _result_schema(self, callback: Callback) -> str | None:
        if callback.schema_id is None:
            return None
        return (await self._store.schemas([callback.schema_id]))[callback.schema_id]
