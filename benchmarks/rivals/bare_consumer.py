"""The bare consumer: fetch messages, commit their bodies, acknowledge them, and nothing else.

Run as `python -m benchmarks.rivals.bare_consumer <URL of NATS> <stream> <durable> <file>`; prints
`ready consumer`, and consumes until it is stopped.
"""

import asyncio
import sqlite3
import sys
from contextlib import suppress
from typing import Final

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from ringback.app.program import run

_AT_MOST: Final = 256
_TABLE: Final = "CREATE TABLE messages (id TEXT PRIMARY KEY, body BLOB NOT NULL)"
_INSERT: Final = "INSERT OR IGNORE INTO messages VALUES (?, ?)"


async def _consume(url: str, stream: str, *, durable: str, file: str) -> None:
    store = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", _TABLE):
        store.execute(statement)
    client = await nats.connect(url)
    config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=_AT_MOST)
    consumer = await client.jetstream().pull_subscribe(
        stream, durable=durable, stream=stream, config=config
    )
    print("ready consumer", flush=True)
    while True:
        with suppress(TimeoutError):
            messages = await consumer.fetch(_AT_MOST, timeout=1)
            rows = [((one.headers or {})["ringback-link"], one.data) for one in messages]
            await asyncio.to_thread(_commit, store, rows)
            for one in messages:
                await one.ack()


def _commit(store: sqlite3.Connection, rows: list[tuple[str, bytes]]) -> None:
    store.execute("BEGIN IMMEDIATE")
    store.executemany(_INSERT, rows)
    store.execute("COMMIT")


if __name__ == "__main__":
    run(_consume(sys.argv[1], sys.argv[2], durable=sys.argv[3], file=sys.argv[4]))
