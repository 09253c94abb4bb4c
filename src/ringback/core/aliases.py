"""Aliases: find the callbacks that they lead to, and change them."""

from collections.abc import Sequence

from ringback.core.operations import describe_unknown
from ringback.core.receipt import to_expired
from ringback.domain.alias import Alias
from ringback.domain.callback import Callback
from ringback.domain.errors import RingbackError, UnknownCallbackError
from ringback.domain.event_errors import AliasFreedError, UnknownAliasError
from ringback.domain.ids import CallbackId
from ringback.ports.aliases import AliasOwner, AliasStore


class AliasService:
    """Finds the callback that an alias leads to, and changes the aliases of callbacks."""

    def __init__(self, store: AliasStore, *, namespace: str) -> None:
        """Use the aliases of `namespace` in `store`."""
        self._store = store
        self._namespace = namespace

    async def get(self, alias: Alias) -> CallbackId:
        """Return the callback that has `alias` and has not ended.

        Raises:
            UnknownAliasError: No callback has it.
            AliasFreedError: The last callback that had it has ended.
            StoreUnavailableError: It could not be read; retry.
        """
        (found,) = await self.find([alias])
        if isinstance(found, RingbackError):
            raise found
        return found

    async def find(self, aliases: Sequence[Alias]) -> Sequence[CallbackId | RingbackError]:
        """Return for each alias what `get` returns or raises.

        Raises:
            StoreUnavailableError: They could not be read; retry.
        """
        texts = [alias.text for alias in aliases]
        owners = await self._store.find_aliases(self._namespace, texts) if texts else {}
        return [self._to_callback(text, owners.get(text)) for text in texts]

    def _to_callback(self, alias: str, owner: AliasOwner | None) -> CallbackId | RingbackError:
        if owner is None:
            return UnknownAliasError(alias, self._namespace)
        id_, at = owner.callback_id, owner.closed_at
        return id_ if at is None else AliasFreedError(alias, id_, owner.workflow_id, freed_at=at)

    async def add(self, callback_id: CallbackId, alias: Alias, *, by: str) -> Callback:
        """Let `alias` lead to a callback; return the callback. Repeating it changes nothing.

        The audit trail names `by`, the id of the API key.

        Raises:
            UnknownCallbackError: The callback does not exist.
            ExpiredCallbackError: The callback has ended.
            AliasInUseError: Another callback that has not ended has the alias.
            MalformedRequestError: The callback has as many aliases as it may have.
            StoreUnavailableError: It could not be stored; retry.
        """
        callback = await self._store.add_alias(callback_id, alias.text, by=by)
        if callback is None:
            raise UnknownCallbackError(describe_unknown(callback_id))
        if alias.text not in callback.options.aliases:
            error = to_expired(callback)
            raise error
        return callback

    async def remove(self, callback_id: CallbackId, alias: Alias, *, by: str) -> Callback:
        """Take `alias` from a callback; return the callback. Repeating it changes nothing.

        Raises:
            UnknownCallbackError: The callback does not exist.
            StoreUnavailableError: It could not be stored; retry.
        """
        callback = await self._store.remove_alias(callback_id, alias.text, by=by)
        if callback is None:
            raise UnknownCallbackError(describe_unknown(callback_id))
        return callback
