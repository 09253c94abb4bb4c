"""The callback that an activity's author works with."""

from dataclasses import dataclass, field
from datetime import datetime

from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb, narrow


@dataclass(frozen=True, slots=True)
class Callback:
    """What an activity sends to the service or person that should answer.

    All attempts of the activity share one id and one link. With `attempts="current"`, each attempt
    has its own.

    Attributes:
        id: `cb_…`; use it as the idempotency key of your request.
        deadline_at: When an answer is too late, in UTC: your deadline or this attempt's timeout.
        is_submitted: Whether this attempt or an earlier one has already submitted.
        url: The link, with which anybody can answer. Keep it out of logs.
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
