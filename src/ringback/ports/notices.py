"""What the outside party is still to be told, in the store.

What `ringback.ports.store` says of its methods holds here too. A notice is made in the transaction
that records the event it tells of; nobody asks for one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from ringback.domain.notice import Notice, NoticeId

MOST_ORIGINS: Final = 8
"""How many origins a claim can leave alone."""


@dataclass(frozen=True, slots=True)
class Told:
    """That a notice is done with.

    Attributes:
        notice_id: The notice.
        trouble: Why it was given up; `None` if it was received.
    """

    notice_id: NoticeId
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class NotYet:
    """That a notice was not received, and is to be sent again.

    Attributes:
        notice_id: The notice.
        tries: `Notice.tries` as it was claimed: once another has claimed it, this is void.
        wait: How long nobody sends it.
        trouble: Why it was not received.
    """

    notice_id: NoticeId
    tries: int
    wait: timedelta
    trouble: str


class Notices(Protocol):
    """What telling the outside needs."""

    async def claim_notices(
        self, *, limit: int, lease: timedelta, but: Collection[str] = ()
    ) -> Sequence[Notice]:
        """Take notices that are due, the longest due first; each claim counts as a try.

        Nobody else gets them while the lease lasts. Those to an origin in `but`, which has
        `MOST_ORIGINS` at most, are left alone; see `ringback.domain.notice.origin_of`.
        """
        ...

    async def end_notices(self, ends: Sequence[Told]) -> None:
        """Keep that notices were received or given up, and tell it in the audit trail.

        The first end of a notice counts.
        """
        ...

    async def postpone_notices(self, postponements: Sequence[NotYet]) -> None:
        """Give claimed notices back, to be sent again later.

        The first time of each is told in the audit trail.
        """
        ...

    async def next_notice(self) -> timedelta | None:
        """Return how long until a notice is due; `None` if none will be."""
        ...
