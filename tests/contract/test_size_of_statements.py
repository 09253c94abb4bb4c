"""Changes of thousands of callbacks are written in parts of a few hundred."""

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
"""The size of a part, and a margin for other parameters."""


async def test_statements_about_thousands_have_bounded_parameters(
    tmp_path: Path, clock: ManualClock
) -> None:
    sizes: list[int] = []
    database = SqliteDatabase(tmp_path / "ringback.db", clock)
    await upgrade(database)
    engine = database._engine  # noqa: SLF001 - a store has no such switch
    event.listen(
        engine, "before_cursor_execute", lambda *args: sizes.extend(_sizes(args[3])), named=False
    )

    await WideRunsContract().test_thousands_of_callbacks_are_claimed_saved_settled_and_expired(
        SqlStore(database), clock
    )

    assert max(sizes) <= _MOST
    await database.close()


def _sizes(parameters: Sequence[object]) -> Iterator[int]:
    """Yield the number of parameters, and the lengths of JSON lists among them."""
    yield len(parameters)
    lists = (one for one in parameters if isinstance(one, str) and one.startswith("["))
    yield from (len(json.loads(one)) for one in lists)
