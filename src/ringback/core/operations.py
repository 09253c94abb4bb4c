"""Operations: what an operator does with a callback."""

from datetime import datetime, timedelta

from ringback.domain.callback import Callback, State
from ringback.domain.durations import check_duration, format_instant
from ringback.domain.errors import CannotExtendError, NotParkedError, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.link import Link, Verb
from ringback.ports.deadlines import Deadlines
from ringback.ports.deliveries import DeliveryQueue
from ringback.ports.store import CallbackStore, Links


class OperatorService:
    """Extends deadlines, revokes links, and redelivers parked outcomes."""

    def __init__(
        self, store: CallbackStore, queue: DeliveryQueue, deadlines: Deadlines, *, links: Links
    ) -> None:
        """Work on the callbacks of `store`, its `queue`, its `deadlines` and their `links`."""
        self._store = store
        self._queue = queue
        self._deadlines = deadlines
        self._links = links

    async def extend(
        self, callback_id: CallbackId, within: timedelta, *, by: str | None = None
    ) -> Callback:
        """Set the deadline of a callback to `within` from now; return the callback afterwards.

        Args:
            callback_id: The callback.
            within: How long the sender has from now.
            by: The id of the API key, for the audit trail.

        Raises:
            ValueError: `within` is not positive, or longer than ten years.
            UnknownCallbackError: The callback does not exist.
            CannotExtendError: It was answered, has expired, or has no deadline of its own.
            StoreUnavailableError: The deadline could not be stored; retry.
        """
        check_duration("within", within)
        extension = await self._deadlines.extend(callback_id, within, by=by)
        if extension.callback is None:
            raise UnknownCallbackError(describe_unknown(callback_id))
        if not extension.was_extended:
            raise CannotExtendError(_why_not(extension.callback))
        return extension.callback

    async def redeliver(self, callback_id: CallbackId) -> Callback:
        """Deliver a parked outcome again; return the callback afterwards.

        If Ringback could not prove whether an attempt ended with the outcome, the caller decides
        that none did.

        Raises:
            UnknownCallbackError: The callback does not exist.
            NotParkedError: Its outcome is not parked.
            StoreUnavailableError: The change could not be stored; retry.
        """
        was_parked = await self._queue.redeliver(callback_id)
        callback = await get_callback(self._store, callback_id)
        if not was_parked:
            msg = f"it is {callback.state.value}, not {State.PARKED.value}"
            raise NotParkedError(msg)
        return callback

    async def revoke(self, callback_id: CallbackId, *, by: str | None = None) -> Callback:
        """Revoke all links to a callback; return the callback afterwards.

        An accepted answer remains accepted, and new links are valid. The audit trail names `by`,
        the id of the API key.

        Raises:
            UnknownCallbackError: The callback does not exist.
            StoreUnavailableError: The change could not be stored; retry.
        """
        callback = await self._links.revoke(callback_id, by=by)
        if callback is None:
            raise UnknownCallbackError(describe_unknown(callback_id))
        return callback

    async def record_link(self, link: Link, *, by: str) -> None:
        """Record in the audit trail that the API key `by` created `link`.

        Raises:
            StoreUnavailableError: It could not be stored; retry.
        """
        allows = sorted(verb.name.lower() for verb in link.verbs)
        facts: dict[str, object] = {"allows": allows, "until": format_instant(link.expires_at)}
        await self._links.record_link(link.callback_id, {**facts, "by": by})


async def get_callback(store: CallbackStore, callback_id: CallbackId) -> Callback:
    """Return a callback.

    Raises:
        UnknownCallbackError: The callback does not exist.
        StoreUnavailableError: It could not be read; retry.
    """
    callback = (await store.find([callback_id])).get(callback_id)
    if callback is None:
        raise UnknownCallbackError(describe_unknown(callback_id))
    return callback


def link_to(
    callback: Callback,
    *,
    key_id: str,
    verbs: frozenset[Verb] | None = None,
    until: datetime | None = None,
) -> Link:
    """Return a new link to `callback`, signed with `key_id`.

    A link never allows more than the activity's own link, nor for longer. Without `verbs` and
    `until`, it allows the same for as long.
    """
    own = callback.link_expires_at
    return Link(
        callback.id,
        callback.verbs if verbs is None else verbs & callback.verbs,
        own if until is None else min(until, own),
        key_id,
        callback.link_serial,
    )


def describe_unknown(callback_id: CallbackId) -> str:
    """Return the message for a callback that does not exist."""
    return f"there is no callback {callback_id}; see: ringback list"


def _why_not(callback: Callback) -> str:
    if callback.state is not State.OPEN:
        return f"it is {callback.state.value}, not {State.OPEN.value}"
    return (
        "it has no deadline of its own, only Temporal's timeouts; to move those: "
        "temporal activity update-options"
    )
