"""API authorization: find the key of a request, and check what it allows."""

from datetime import timedelta
from typing import Final

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.rate_limit import BURST, KEY_REQUESTS, UNKNOWN_KEYS, RateLimit, RateLimits
from ringback.domain.api_key import ALLOWED, Act, ApiKey, KeyId, from_text
from ringback.domain.errors import NotAllowedError, UnknownKeyError
from ringback.ports.api_keys import ApiKeys
from ringback.ports.clock import Clock

CACHED_FOR: Final = timedelta(seconds=5)
"""How long a key is cached, and how long a revoked key may remain valid."""

MOST_CACHED: Final = 1000
"""Maximum cached ids of keys that do not exist; anyone can invent them."""

LOOKUPS_PER_SECOND: Final = 100
"""Maximum keys that are looked up per second and were not found before."""

_NO_KEY: Final = "send a valid API key: Authorization: Bearer rbk_…"


class Authorizer:
    """Finds keys in the store, and caches them for a moment."""

    def __init__(
        self,
        keys: ApiKeys,
        *,
        clock: Clock,
        requests_per_second: int = 0,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Find keys in `keys`; each may make so many requests per second, or any number if 0."""
        self._keys = keys
        self._clock = clock
        self._known: dict[KeyId, tuple[ApiKey, timedelta]] = {}
        self._unknown: dict[KeyId, timedelta] = {}
        self._requests: RateLimits[KeyId] = RateLimits(
            KEY_REQUESTS,
            requests_per_second,
            burst=BURST * requests_per_second,
            clock=clock,
            hooks=hooks,
        )
        self._lookups = RateLimit(
            UNKNOWN_KEYS,
            LOOKUPS_PER_SECOND,
            burst=BURST * LOOKUPS_PER_SECOND,
            clock=clock,
            hooks=hooks,
        )

    @property
    def cached_keys(self) -> int:
        """The number of cached keys, unknown ones included."""
        return len(self._known) + len(self._unknown)

    async def authorize(self, text: str | None, act: Act) -> ApiKey:
        """Return the key in `text` if it is valid and allows `act`.

        Raises:
            UnknownKeyError: The key is malformed, unknown or revoked.
            NotAllowedError: Its role does not allow `act`.
            StoreUnavailableError: The key could not be read; retry.
            TooManyRequestsError: There were too many requests with this key, or with unknown keys.
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
        self._requests.check(key_id)
        return key

    async def _find(self, key_id: KeyId) -> ApiKey | None:
        now = self._clock.monotonic()
        known = self._known.get(key_id)
        if known is not None and now < known[1]:
            return known[0]
        if known is None:
            if now < self._unknown.get(key_id, now):
                return None
            self._lookups.check()
        key = await self._keys.find_key(key_id)
        valid_until = self._clock.monotonic() + CACHED_FOR
        if key is not None:
            self._known[key_id] = key, valid_until
        else:
            self._known.pop(key_id, None)
            if len(self._unknown) >= MOST_CACHED:
                self._unknown.clear()
            self._unknown[key_id] = valid_until
        return key
