"""Open callbacks: made straight in the store, as a worker makes them."""

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from temporalio import activity

from benchmarks.programs import Program, python, running
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock, callback_ids, outcome_ids
from ringback.domain.callback import ActivityExecution
from ringback.domain.link import KEY_BYTES, Keyring, Link
from ringback.domain.opening import OpenRequest, RunningAttempt
from ringback.domain.outcome import Completed
from ringback.ports.store import Answer
from ringback.settings import Settings
from ringback.worker.runtime import to_ref

_AT_ONCE: Final = 500
_KEY_ID: Final = "bench"
_callback_id: Final = callback_ids(SystemClock())
_outcome_id: Final = outcome_ids(SystemClock())


class Keys:
    """The link keys of a run: all its gateways have the same."""

    def __init__(self, folder: Path) -> None:
        """Make a key in `folder`."""
        key = secrets.token_bytes(KEY_BYTES)
        self.ring = Keyring({_KEY_ID: key}, signing=_KEY_ID)
        self.file = folder / "keys"
        self.file.touch(0o600)
        self.file.write_text(f"{_KEY_ID}:{key.hex()}\n")

    def path(self, request: OpenRequest) -> str:
        """Return the path of the link to the callback that `request` makes."""
        link = Link(request.id, request.verbs, request.link_expires_at, request.key_id)
        return f"/c/{self.ring.sign(link)}"


def alias_of(number: int) -> str:
    """Return the alias of the callback with this number."""
    return f"bench:{number}"


async def open_questions(
    store_url: str, keys: Keys, count: int, *, has_aliases: bool = False, is_traced: bool = False
) -> list[str]:
    """Open `count` callbacks that have no answer; return the path of the link to each.

    No Temporal knows them. They have no result schema. With `has_aliases`, the alias of each is
    that of `alias_of` its number. With `is_traced`, each has a sampled trace context.
    """
    now = SystemClock().now()
    refs = (ActivityExecution("default", f"bench-{n}", f"run-{n}", "1", now) for n in range(count))
    requests = [_wish(ref, None, now) for ref in refs]
    if has_aliases:
        requests = [
            replace(one, options=replace(one.options, aliases=(alias_of(number),)))
            for number, one in enumerate(requests)
        ]
    if is_traced:
        requests = [replace(one, traceparent=_new_traceparent()) for one in requests]
    return await _opened(store_url, keys, requests, answer=None)


def _new_traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


async def open_for(
    store_url: str, keys: Keys, waiting: Iterable[activity.Info], *, answer: bytes | None = None
) -> list[str]:
    """Open the callback of each activity that waits; return the path of the link to each.

    With `answer`, JSON, each is answered with it at once: it is accepted, and not delivered.
    """
    requests = [_wish(to_ref(info), info.task_token, info.started_time) for info in waiting]
    return await _opened(store_url, keys, requests, answer=answer)


async def _opened(
    store_url: str, keys: Keys, requests: Sequence[OpenRequest], *, answer: bytes | None
) -> list[str]:
    async with opened_store(Settings(store=SecretStr(store_url)), SystemClock()) as store:
        for first in range(0, len(requests), _AT_ONCE):
            some = requests[first : first + _AT_ONCE]
            await store.open(some)
            if answer is not None:
                await store.accept(
                    [Answer(one.id, _outcome_id(), Completed(answer)) for one in some],
                )
    return [keys.path(one) for one in requests]


def _wish(ref: ActivityExecution, task_token: bytes | None, started_at: datetime) -> OpenRequest:
    attempt = RunningAttempt(
        ref=ref,
        number=1,
        started_at=started_at,
        task_token=task_token,
        workflow_type="Bench",
        activity_type="ask",
        task_queue="bench",
    )
    return OpenRequest(_callback_id(), attempt, _KEY_ID, started_at + timedelta(days=1))


@asynccontextmanager
async def gateway(
    store_url: str,
    keys: Keys,
    *,
    temporal: str,
    folder: Path,
    more: Mapping[str, str] | None = None,
    module: str = "ringback",
    processes: int = 1,
) -> AsyncIterator[tuple[Program, str]]:
    """Run `ringback serve` for the block, with `more` settings; yield it and its URL.

    Another `module` may stand in for `ringback`.
    """
    environment = {
        "RINGBACK_DATA": str(folder),
        "RINGBACK_STORE": store_url,
        "RINGBACK_KEYS_FILE": str(keys.file),
        "RINGBACK_PUBLIC_URL": "http://gateway.example",
        "TEMPORAL_ADDRESS": temporal,
        **(more or {}),
    }
    words = python(module, "serve", "--port", "0", "--processes", str(processes))
    async with running(words, cwd=folder, environment=environment) as program:
        yield program, await program.ready()
