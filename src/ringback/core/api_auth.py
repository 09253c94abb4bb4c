"""API authorization: find the key of a request, and check what it allows."""

from datetime import timedelta
from typing import Final

from ringback.domain.api_key import ALLOWED, Act, ApiKey, KeyId, from_text
from ringback.domain.errors import NotAllowedError, UnknownKeyError
from ringback.ports.api_keys import ApiKeys
from ringback.ports.clock import Clock

CACHED_FOR: Final = timedelta(seconds=5)
"""How long a key is cached, and how long a revoked key may remain valid."""

MOST_CACHED: Final = 1000
"""Maximum cached keys, unknown ones included."""

_NO_KEY: Final = "send a valid API key: Authorization: Bearer rbk_…"


class Authorizer:
    """Finds keys in the store, and caches them for a moment."""

    def __init__(self, keys: ApiKeys, *, clock: Clock) -> None:
        """Find keys in `keys`."""
        self._keys = keys
        self._clock = clock
        self._cached: dict[KeyId, tuple[ApiKey | None, timedelta]] = {}

    @property
    def cached_keys(self) -> int:
        """The number of cached keys, unknown ones included."""
        return len(self._cached)

    async def authorize(self, text: str | None, act: Act) -> ApiKey:
        """Return the key in `text` if it is valid and allows `act`.

        Raises:
            UnknownKeyError: The key is malformed, unknown or revoked.
            NotAllowedError: Its role does not allow `act`.
            StoreUnavailableError: The key could not be read; retry.
        """
        parts = from_text(text or "")
        if parts is None:
            raise UnknownKeyError(_NO_KEY)
        key_id, secret = parts
        key = await self._find(key_id)
        if key is None or not key.is_valid(secret):
            raise UnknownKeyError(_NO_KEY)
        if act not in ALLOWED[key.role]:
            msg = f"the role {key.role.value} does not allow: {act.value}; use another key"
            raise NotAllowedError(msg)
        return key

    async def _find(self, key_id: KeyId) -> ApiKey | None:
        known = self._cached.get(key_id)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        key = await self._keys.find_key(key_id)
        if len(self._cached) >= MOST_CACHED:
            # Guessed keys are cached too, and must not fill the memory.
            self._cached.clear()
        self._cached[key_id] = key, self._clock.monotonic() + CACHED_FOR
        return key
