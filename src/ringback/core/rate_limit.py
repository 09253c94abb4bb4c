"""Rate limits: how many requests per second one client may send.

They count in memory, so N processes allow N times as many. A limit that was not reached is
forgotten once as much time has passed as its requests may take.
"""

from datetime import timedelta
from typing import Final, Generic, TypeVar

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.domain.link import Verb
from ringback.domain.operation_errors import TooManyRequestsError
from ringback.ports.clock import Clock

K = TypeVar("K")

BURST: Final = 10
"""How many seconds' requests may come at once: a sender repeats what failed during an outage."""

MOST_CLIENTS: Final = 20_000
"""About how many clients of a limit are remembered. The others have sent nothing for longer."""

SIGN_INS_PER_SECOND: Final = 50
"""Maximum sign-ins that are begun, shown or finished per second, by all people together. Each may
read the store or call the identity provider."""

_ROUNDING: Final = 1e-6
"""Seconds by which sums of floats may be wrong."""

LINK_ANSWERS: Final = "link_answers"
LINK_HEARTBEATS: Final = "link_heartbeats"
LINK_READS: Final = "link_reads"
KEY_REQUESTS: Final = "key_requests"
SOURCE_REQUESTS: Final = "source_requests"
UNKNOWN_KEYS: Final = "unknown_keys"
SIGN_INS: Final = "sign_ins"


class RateLimits(Generic[K]):
    """Limits the requests of each of many clients, with bounded memory.

    Requests are counted by the generic cell rate algorithm: for each client, the time at which all
    of its requests would have been sent had it kept to the rate. There are two tables: when one is
    full it becomes the older one, and what was in the older one is forgotten.

    Attributes:
        remembered: How many clients are remembered.
    """

    def __init__(
        self,
        name: str,
        per_second: float,
        *,
        burst: float,
        clock: Clock,
        hooks: Hooks = NO_HOOKS,
        most: int = MOST_CLIENTS,
    ) -> None:
        """Allow each client `per_second` requests, and `burst` at once; 0 per second is no limit.

        `hooks` get the `name` of the limit when it refuses a request.
        """
        self._name = name
        self._seconds_each = 1 / per_second if per_second else 0.0
        self._tolerance = (burst - 1) * self._seconds_each + _ROUNDING
        self._clock = clock
        self._hooks = hooks
        self._most = most // 2
        self._ends: dict[K, float] = {}
        self._older: dict[K, float] = {}

    @property
    def remembered(self) -> int:
        """How many clients are remembered."""
        return len(self._ends) + len(self._older)

    def check(self, client: K) -> None:
        """Count one more request of `client`.

        Count only what is authenticated: forged names would push out real ones.

        Raises:
            TooManyRequestsError: The client has sent too many. This request does not count.
        """
        if not self._seconds_each:
            return
        now = self._clock.monotonic().total_seconds()
        end = self._ends.get(client) or self._older.get(client, 0.0)
        wait = end - now - self._tolerance
        if len(self._ends) >= self._most and client not in self._ends:
            self._older, self._ends = self._ends, {}
        # One that is refused is remembered, too.
        self._ends[client] = end if wait > 0 else max(end, now) + self._seconds_each
        if wait > 0:
            self._refuse(wait)

    def _refuse(self, wait: float) -> None:
        self._hooks.limit_reached(self._name)
        msg = "too many requests; send fewer, and this one again later"
        raise TooManyRequestsError(msg, retry_after=timedelta(seconds=wait))


class RateLimit:
    """Limits all requests of one kind together."""

    def __init__(
        self,
        name: str,
        per_second: float,
        *,
        burst: float,
        clock: Clock,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Allow `per_second` requests, and `burst` at once."""
        self._limits: RateLimits[None] = RateLimits(
            name, per_second, burst=burst, clock=clock, hooks=hooks
        )

    def check(self) -> None:
        """Count one more request.

        Raises:
            TooManyRequestsError: There were too many. This request does not count.
        """
        self._limits.check(None)


class RequestLimits:
    """The limits of links and sign-ins of a gateway.

    Attributes:
        sign_ins: The limit of sign-ins.
    """

    def __init__(self, *, link_rate: int, clock: Clock, hooks: Hooks) -> None:
        """Allow each link `link_rate` answers, heartbeats and reads per second; 0 is no limit."""

        def limit(name: str) -> RateLimits[int]:
            burst = BURST * link_rate
            return RateLimits(name, link_rate, burst=burst, clock=clock, hooks=hooks)

        # A heartbeat or a page that reloads must not use up what an answer needs.
        answers, heartbeats, reads = map(limit, (LINK_ANSWERS, LINK_HEARTBEATS, LINK_READS))
        self._of_links: Final = {
            Verb.COMPLETE: answers,
            Verb.FAIL: answers,
            Verb.CANCEL: answers,
            Verb.HEARTBEAT: heartbeats,
            Verb.VIEW: reads,
        }
        self.sign_ins = RateLimit(
            SIGN_INS,
            SIGN_INS_PER_SECOND,
            burst=BURST * SIGN_INS_PER_SECOND,
            clock=clock,
            hooks=hooks,
        )

    def check_link(self, link: str, verb: Verb) -> None:
        """Count one more request by `link`, which has been verified.

        Raises:
            TooManyRequestsError: This link has made too many.
        """
        # No link stays in memory.
        self._of_links[verb].check(hash(link))
