"""Operate: what a person does with a callback that needs one."""

from datetime import timedelta

from ringback.domain.callback import Callback, State
from ringback.domain.errors import CannotExtendError, NotParkedError, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.ports.deadlines import Deadlines
from ringback.ports.store import CallbackStore, DeliveryQueue


class Operating:
    """Moves deadlines, and has parked outcomes delivered again."""

    def __init__(self, store: CallbackStore, queue: DeliveryQueue, deadlines: Deadlines) -> None:
        """Work on the callbacks of `store`, its `queue` and its `deadlines`."""
        self._store = store
        self._queue = queue
        self._deadlines = deadlines

    async def extend(self, callback_id: CallbackId, within: timedelta) -> Callback:
        """Let the outside answer `within` from now on; return the callback as it stands then.

        Raises:
            UnknownCallbackError: There is no such callback.
            CannotExtendError: It was answered, has expired, or has no deadline of its own.
            StoreUnavailableError: It could not be kept; try again.
        """
        extension = await self._deadlines.extend(callback_id, within)
        if extension.callback is None:
            raise UnknownCallbackError(_unknown(callback_id))
        if not extension.was_extended:
            raise CannotExtendError(_why_not(extension.callback))
        return extension.callback

    async def redeliver(self, callback_id: CallbackId) -> Callback:
        """Have a parked outcome delivered again; return the callback as it stands then.

        What it was parked for may have been mended since. Where it could not be proven whether an
        attempt ended with it, the person who calls this decides that none did.

        Raises:
            UnknownCallbackError: There is no such callback.
            NotParkedError: Its outcome is not parked.
            StoreUnavailableError: It could not be kept; try again.
        """
        was_parked = await self._queue.redeliver(callback_id)
        callback = (await self._store.find([callback_id])).get(callback_id)
        if callback is None:
            raise UnknownCallbackError(_unknown(callback_id))
        if not was_parked:
            msg = f"it is {callback.state.value}, not {State.PARKED.value}"
            raise NotParkedError(msg)
        return callback


def _unknown(callback_id: CallbackId) -> str:
    return f"there is no callback {callback_id}; see: ringback list"


def _why_not(callback: Callback) -> str:
    if callback.state is not State.OPEN:
        return f"it is {callback.state.value}, not {State.OPEN.value}"
    return (
        "it has no deadline of its own, only Temporal's time-outs; to move those: "
        "temporal activity update-options"
    )
