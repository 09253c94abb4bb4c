"""How many requests per second links and sign-ins may make."""

from typing import Final

from ringback.core.hooks import Hooks
from ringback.core.rate_limit import (
    BURST,
    LINK_ANSWERS,
    LINK_HEARTBEATS,
    LINK_READS,
    SIGN_INS,
    RateLimit,
    RateLimits,
)
from ringback.domain.link import Verb
from ringback.ports.clock import Clock

SIGN_INS_PER_SECOND: Final = 50
"""Maximum sign-ins that are begun, shown or finished per second, by all people together. Each may
read the store or call the identity provider."""


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
