"""What comes of thousands of callbacks is written a few hundred at a time."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import event

from ringback.store.migrate import upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock
from tests.contract.wide_runs import WideRunsContract

_MOST = 256 + 10
"""A part, and what else a statement has."""


async def test_no_statement_about_thousands_has_more_values_than_a_part(
    tmp_path: Path, clock: ManualClock
) -> None:
    sizes: list[int] = []
    database = SqliteDatabase(tmp_path / "ringback.db", clock)
    await upgrade(database)
    engine = database._engine  # noqa: SLF001 - a store has no such switch
    event.listen(
        engine, "before_cursor_execute", lambda *args: sizes.extend(_sizes(args[3])), named=False
    )

    await WideRunsContract().test_thousands_are_claimed_kept_judged_and_closed(
        SqlStore(database), clock
    )

    assert max(sizes) <= _MOST
    await database.close()


def _sizes(parameters: Sequence[object]) -> Iterator[int]:
    """Yield how many parameters there are, and how much is in those that are lists, as JSON."""
    yield len(parameters)
    lists = (one for one in parameters if isinstance(one, str) and one.startswith("["))
    yield from (len(json.loads(one)) for one in lists)
