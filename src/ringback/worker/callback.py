"""The callback, as the activity's author meets it."""

from dataclasses import dataclass, field
from datetime import datetime

from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb, narrow


@dataclass(frozen=True, slots=True)
class Callback:
    """What an activity gives to the outside party.

    It is the same over all attempts of the activity: same id, same link. Where only the current
    attempt counts, each attempt has its own.

    Attributes:
        id: `cb_…`; fit as an idempotency key for the request to the outside party.
        deadline_at: When an answer comes too late: the deadline that was asked for, or the timeout
            of this attempt; in UTC.
        is_submitted: Whether the outside party was asked already, by this attempt or one before.
        url: The link: whoever holds it may answer. Keep it out of logs.
    """

    id: CallbackId
    deadline_at: datetime | None
    is_submitted: bool
    url: str = field(repr=False)

    def url_for(self, verb: Verb, *more: Verb) -> str:
        """Return a link that allows only these verbs.

        Example:
            >>> callback.url_for(Verb.HEARTBEAT, Verb.VIEW)
            'https://…/c/…'
        """
        return narrow(self.url, {verb, *more})
