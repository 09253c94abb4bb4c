"""View: what the holder of a link may know."""

from dataclasses import dataclass

from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    RefusedByTemporalError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.ports.activities import Activities, Pending
from ringback.ports.store import CallbackStore


@dataclass(frozen=True, slots=True)
class View:
    """A callback, and its activity as Temporal has it now.

    Attributes:
        callback: The callback.
        pending: The activity, while it waits.
        is_live: Whether Temporal was asked and answered; if not, `pending` is `None` and tells
            nothing.
    """

    callback: Callback
    pending: Pending | None
    is_live: bool


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
        if callback is None or not callback.honours(serial):
            raise UnknownCallbackError
        if callback.state is not State.OPEN:
            return View(callback, None, is_live=False)
        try:
            (pending,) = await self._activities.look([callback.ref])
        except (TemporalUnreachableError, RefusedByTemporalError):
            return View(callback, None, is_live=False)
        return View(callback, pending, is_live=True)
