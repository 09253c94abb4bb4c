"""API authorization: find the key of a request, and check what it allows."""

from datetime import timedelta
from typing import Final

from ringback.domain.api_key import ALLOWED, Act, ApiKey, KeyId, from_text
from ringback.domain.errors import NotAllowedError, UnknownKeyError
from ringback.ports.api_keys import ApiKeys
from ringback.ports.clock import Clock

CACHED_FOR: Final = timedelta(seconds=5)
"""How long a key is believed without asking the store: so long a revoked one may still be good."""

MOST_CACHED: Final = 1000
"""How many keys are known by heart at most, the guessed ones too."""

_NO_KEY: Final = "send a good API key: Authorization: Bearer rbk_…"


class Authorizer:
    """Knows the keys, from the store and for a moment by heart."""

    def __init__(self, keys: ApiKeys, *, clock: Clock) -> None:
        """Look keys up in `keys`."""
        self._keys = keys
        self._clock = clock
        self._cached: dict[KeyId, tuple[ApiKey | None, timedelta]] = {}

    @property
    def cached_keys(self) -> int:
        """How many keys are known by heart, the guessed ones too."""
        return len(self._cached)

    async def authorize(self, text: str | None, act: Act) -> ApiKey:
        """Return the key that `text` is, if it is good and allows `act`.

        Raises:
            UnknownKeyError: It is no key, or a revoked one.
            NotAllowedError: Its role does not allow `act`.
            StoreUnavailableError: It could not be looked up; try again.
        """
        parts = from_text(text or "")
        if parts is None:
            raise UnknownKeyError(_NO_KEY)
        key_id, secret = parts
        key = await self._find(key_id)
        if key is None or not key.is_valid(secret):
            raise UnknownKeyError(_NO_KEY)
        if act not in ALLOWED[key.role]:
            msg = f"a key of the role {key.role.value} may not {act.value}"
            raise NotAllowedError(msg)
        return key

    async def _find(self, key_id: KeyId) -> ApiKey | None:
        known = self._cached.get(key_id)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        key = await self._keys.find_key(key_id)
        if len(self._cached) >= MOST_CACHED:
            # Guesses fill it, and must not make it grow.
            self._cached.clear()
        self._cached[key_id] = key, self._clock.monotonic() + CACHED_FOR
        return key
