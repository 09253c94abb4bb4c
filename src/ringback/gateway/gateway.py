"""What the public routes share."""

from dataclasses import dataclass

from ringback.core.answers import AnswerService
from ringback.core.heartbeats import HeartbeatService
from ringback.core.status import StatusService
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.errors import UnknownCallbackError
from ringback.domain.link import Keyring, Link, Verb
from ringback.gateway.unknown_keys import UnknownKeys
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackStore


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the routes call.

    Attributes:
        keyring: Checks links.
        accepting: Accepts outcomes.
        heartbeating: Accepts heartbeats.
        viewing: Reports the status of a callback.
        verdicts: Reports verdicts to requests that wait for one.
        store: Where a waiting sender's callback is read.
        clock: Judges the expiry of links.
        unknown_keys: Warns of links that were signed with other keys.
        public_url: The URL of this gateway for senders, without a slash at its end.
        body_limit: The largest body, in bytes.
    """

    keyring: Keyring
    answer_service: AnswerService
    heartbeat_service: HeartbeatService
    status_service: StatusService
    verdicts: VerdictWaiter
    store: CallbackStore
    clock: Clock
    unknown_keys: UnknownKeys
    public_url: str
    body_limit: int

    def verify(self, link: str, verb: Verb) -> Link:
        """Return what `link` says.

        Raises:
            UnknownCallbackError: The link is not good for `verb` now.
        """
        try:
            return self.keyring.verify(link, verb=verb, now=self.clock.now())
        except UnknownCallbackError:
            if (key_id := self.keyring.unknown_key_id(link)) is not None:
                self.unknown_keys.report(key_id)
            raise

    def url_of(self, link: str) -> str:
        """Return `link` as a URL."""
        return f"{self.public_url}/c/{link}"
