"""Keeping API keys, in memory."""

from collections.abc import Sequence
from dataclasses import replace

from ringback.domain.api_key import ApiKey, KeyId
from ringback.ports.clock import Clock
from ringback.ports.keys import NewKey
from ringback.testing.memory.shelf import Shelf


class MemoryKeys(Shelf):
    """`Keys` in memory."""

    def __init__(self, clock: Clock) -> None:
        """Date everything by `clock`."""
        super().__init__(clock)
        self._keys: dict[KeyId, ApiKey] = {}

    async def add_key(self, new: NewKey) -> ApiKey:
        """See `Keys.add_key`."""
        key = ApiKey(new.id, new.name, new.role, new.digest, self._now())
        self._keys[key.id] = key
        return key

    async def find_key(self, key_id: KeyId) -> ApiKey | None:
        """See `Keys.find_key`."""
        self._now()
        return self._keys.get(key_id)

    async def all_keys(self) -> Sequence[ApiKey]:
        """See `Keys.all_keys`."""
        self._now()
        return sorted(self._keys.values(), key=lambda key: (key.made_at, key.id))

    async def revoke_key(self, key_id: KeyId) -> ApiKey | None:
        """See `Keys.revoke_key`."""
        now = self._now()
        key = self._keys.get(key_id)
        if key is not None and key.revoked_at is None:
            key = self._keys[key_id] = replace(key, revoked_at=now)
        return key
