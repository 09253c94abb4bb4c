"""Open callbacks: made straight in the store, as a worker makes them."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from benchmarks.programs import Program, python, running
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock, callback_ids
from ringback.domain.asking import Wish
from ringback.domain.callback import ActivityExecution
from ringback.domain.link import ALL_VERBS, KEY_BYTES, Keyring, Link
from ringback.settings import Settings

_AT_ONCE: Final = 500
_KEY_ID: Final = "bench"


class Keys:
    """The link keys of a run: all its gateways have the same."""

    def __init__(self, folder: Path) -> None:
        """Make a key in `folder`."""
        key = secrets.token_bytes(KEY_BYTES)
        self.ring = Keyring({_KEY_ID: key}, signing=_KEY_ID)
        self.file = folder / "keys"
        self.file.touch(0o600)
        self.file.write_text(f"{_KEY_ID}:{key.hex()}\n")

    def path(self, wish: Wish) -> str:
        """Return the path of the link to the callback that `wish` makes."""
        link = Link(wish.id, wish.verbs, wish.link_expires_at, wish.key_id)
        return f"/c/{self.ring.sign(link)}"


async def open_questions(store_url: str, keys: Keys, count: int) -> list[str]:
    """Open so many callbacks that nobody has answered; return the path of the link to each.

    No Temporal knows them. They have no result schema.
    """
    paths: list[str] = []
    settings = Settings(store=SecretStr(store_url))
    async with opened_store(settings, SystemClock()) as store:
        while len(paths) < count:
            wishes = list(_wishes(min(_AT_ONCE, count - len(paths)), first=len(paths)))
            await store.open(wishes)
            paths += map(keys.path, wishes)
    return paths


def _wishes(count: int, *, first: int) -> Iterator[Wish]:
    clock = SystemClock()
    new_id, now = callback_ids(clock), clock.now()
    for number in range(first, first + count):
        yield Wish(
            id=new_id(),
            ref=ActivityExecution("default", f"bench-{number}", "none", "1", now),
            workflow_type="Bench",
            activity_type="wait",
            task_queue="bench",
            attempt=1,
            attempt_started_at=now,
            task_token=None,
            timeout_at=None,
            verbs=ALL_VERBS,
            key_id=_KEY_ID,
            link_expires_at=now + timedelta(days=1),
        )


@asynccontextmanager
async def gateway(
    store_url: str, keys: Keys, *, temporal: str, folder: Path
) -> AsyncIterator[tuple[Program, str]]:
    """Run `ringback serve` for the block; yield it and its URL."""
    environment = {
        "RINGBACK_DATA": str(folder),
        "RINGBACK_STORE": store_url,
        "RINGBACK_KEYS_FILE": str(keys.file),
        "RINGBACK_PUBLIC_URL": "http://gateway.example",
        "TEMPORAL_ADDRESS": temporal,
    }
    words = python("ringback", "serve", "--port", "0")
    async with running(words, cwd=folder, environment=environment) as program:
        yield program, await program.ready()
