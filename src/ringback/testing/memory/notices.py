"""Telling the outside, from memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringback.domain.notice import Notice, not_told, not_told_yet, told
from ringback.ports.notices import NotYet, Told
from ringback.testing.memory.shelf import Shelf, Waiting


class MemoryNotices(Shelf):
    """`Notices` in memory."""

    async def claim_notices(
        self, *, limit: int, lease: timedelta, but: Collection[str] = ()
    ) -> Sequence[Notice]:
        """See `Notices.claim_notices`."""
        now = self._now()
        due = sorted(
            (at, notice.id)
            for notice, at in self._due()
            if at <= now and not f"{notice.url}/".startswith(tuple(but))
        )
        return [
            self._claim_notice(self._notices[id_].notice, now + lease) for _, id_ in due[:limit]
        ]

    def _claim_notice(self, notice: Notice, until: datetime) -> Notice:
        claimed = replace(notice, tries=notice.tries + 1)
        waiting = self._notices[notice.id]
        self._notices[notice.id] = replace(waiting, notice=claimed, due_at=until)
        return claimed

    async def end_notices(self, ends: Sequence[Told]) -> None:
        """See `Notices.end_notices`."""
        now = self._now()
        for end in ends:
            found = self._notices.get(end.notice_id)
            if found is not None and found.due_at is not None:
                self._notices[end.notice_id] = Waiting(found.notice, None)
                if end.trouble is None:
                    self._record_event(told(found.notice, now))
                else:
                    self._record_event(not_told(found.notice, now, end.trouble))

    async def postpone_notices(self, postponements: Sequence[NotYet]) -> None:
        """See `Notices.postpone_notices`."""
        now = self._now()
        for item in postponements:
            found = self._notices.get(item.notice_id)
            if found is not None and found.due_at is not None and found.notice.tries == item.tries:
                self._notices[item.notice_id] = Waiting(
                    found.notice, now + item.wait, has_failed=True
                )
                if not found.has_failed:
                    self._record_event(not_told_yet(found.notice, now, item.trouble))

    async def next_notice(self) -> timedelta | None:
        """See `Notices.next_notice`."""
        now = self._now()
        return min((max(timedelta(0), at - now) for _, at in self._due()), default=None)

    def _due(self) -> list[tuple[Notice, datetime]]:
        return [
            (waiting.notice, waiting.due_at)
            for waiting in self._notices.values()
            if waiting.due_at is not None
        ]
