"""API authorization: find the key of a request, and check what it allows."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.core.hooks import NO_HOOKS, REVOKED, UNKNOWN, Hooks
from ringback.core.rate_limit import BURST, KEY_REQUESTS, UNKNOWN_KEYS, RateLimit, RateLimits
from ringback.domain.api_key import ALLOWED, Act, ApiKey, KeyId, from_text
from ringback.domain.errors import NotAllowedError, UnknownKeyError
from ringback.ports.access import ApiKeys
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

CACHED_FOR: Final = timedelta(seconds=5)
"""How long a key is cached, and how long a revoked key may remain valid."""

MOST_CACHED: Final = 1000
"""Maximum cached ids of keys that do not exist; anyone can invent them."""

LOOKUPS_PER_SECOND: Final = 100
"""Maximum keys that are looked up per second and were not found before."""

QUIET_FOR: Final = timedelta(hours=1)
"""The use of a revoked key is logged if the last one is at least so long ago."""

_NO_KEY: Final = "send a valid API key: Authorization: Bearer rbk_…"
_REVOKED: Final = "this API key is revoked; `ringback keys add` creates another"


@dataclass(frozen=True, slots=True)
class RevokedUse:
    """What a program did with a revoked key, of which it has the secret.

    Attributes:
        key: The key.
        count: How many requests had it.
        last_at: When the last one came.
    """

    key: ApiKey
    count: int
    last_at: datetime


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
        self._hooks = hooks
        self._revoked: dict[KeyId, RevokedUse] = {}
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

    @property
    def revoked_uses(self) -> Sequence[RevokedUse]:
        """The uses of revoked keys since the start, the latest last."""
        return list(self._revoked.values())

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
            raise self._refuse(key, secret)
        if act not in ALLOWED[key.role]:
            msg = f"the role {key.role.value} does not allow: {act.value}; use another key"
            raise NotAllowedError(msg)
        self._requests.check(key_id)
        return key

    def _refuse(self, key: ApiKey | None, secret: str) -> UnknownKeyError:
        if key is None or not key.is_secret(secret):
            self._hooks.key_refused(UNKNOWN)
            return UnknownKeyError(_NO_KEY)
        self._hooks.key_refused(REVOKED)
        now = self._clock.now()
        # The latest use is the last one.
        before = self._revoked.pop(key.id, None)
        self._revoked[key.id] = RevokedUse(key, 1 if before is None else before.count + 1, now)
        if before is None or now - before.last_at >= QUIET_FOR:
            logger.warning("revoked API key used", extra={"key": key.id, "role": key.role.value})
        return UnknownKeyError(_REVOKED)

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
