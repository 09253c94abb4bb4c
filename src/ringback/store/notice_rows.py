"""Rows of notices, and the notices that they stand for."""

from typing import Final
from urllib.parse import urlsplit

from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.notice import Notice, NoticeId
from ringback.store.tables import notices
from ringback.store.unreadable import AnyRow, RowTypes

CLAIMED: Final = [
    notices.c[name] for name in ("id", "callback_id", "url", "kind", "at", "facts", "tries")
]
"""The columns of what `to_notice` reads."""

_TYPES: Final = RowTypes(CLAIMED)


def from_notice(notice: Notice) -> dict[str, object]:
    """Return the row of a notice that is to be sent at once."""
    return {
        "id": notice.id,
        "callback_id": notice.callback_id,
        "url": notice.url,
        "kind": notice.kind.value,
        "at": notice.at,
        "facts": notice.facts,
        "due_at": notice.at,
        "tries": notice.tries,
    }


def to_notice(row: AnyRow) -> Notice:
    """Return the notice of a row, which may have more columns behind those of `CLAIMED`."""
    _TYPES.check(row[: len(CLAIMED)])
    urlsplit(row.url)
    return Notice(
        id=NoticeId(row.id),
        callback_id=CallbackId(row.callback_id),
        url=row.url,
        kind=EventKind(row.kind),
        at=row.at,
        facts=row.facts,
        tries=row.tries,
    )
