"""Activities that wait, and how long each was busy until it did."""

import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from temporalio import activity
from temporalio.client import Client

from benchmarks.suspended import Askers, asking_by
from benchmarks.waiting_workflow import ASK
from ringback import Callback, RingbackPlugin, wait_for_callback
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.api_key import (
    ID_BYTES,
    SECRET_BYTES,
    Role,
    digest_secret,
    new_key_id,
    new_secret,
    to_text,
)
from ringback.ports.access import NewKey
from ringback.settings import Settings


class Receipt(BaseModel):
    """The type of the answer."""

    number: str
    amount: int
    is_paid: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """When an activity began, and when it waited, on the clock of `time.perf_counter`."""

    began: float
    waited: float

    @property
    def milliseconds(self) -> float:
        """How long its attempt was busy."""
        return 1000 * (self.waited - self.began)


class Openers(Askers):
    """A worker whose activities wait in one way; each notes how long it was busy."""

    def __init__(self, client: Client, queue: str, wait: Callable[[], Awaitable[object]]) -> None:
        """Let every activity `wait`, which never returns."""
        super().__init__(client, queue)
        self._wait = wait
        self.busy: list[Busy] = []

    @activity.defn(name=ASK)
    async def ask(self) -> Any:
        """Wait, and note how long it took until then."""
        began = time.perf_counter()
        try:
            await self._wait()
        except Exception as exc:
            # To complete asynchronously is none: the SDK raises a `BaseException` for it.
            self._failures.append(exc)
            raise
        finally:
            self.busy.append(Busy(began, time.perf_counter()))
            self._waiting.append(activity.info())


async def only_waits() -> None:
    """Only wait for an answer."""
    activity.raise_complete_async()


async def opens_a_callback() -> Receipt:
    """Open a callback, sign its link, and wait for an answer."""
    return await wait_for_callback(_submit, Receipt)


class Keepers:
    """What activities wait in that the gateway keeps alive, and where their heartbeats go."""

    def __init__(self) -> None:
        """Begin with none."""
        self.paths: list[str] = []

    async def wait(self) -> Receipt:
        """Open a callback that is kept alive, and wait for an answer."""
        return await wait_for_callback(self._submit, Receipt, heartbeat="gateway")

    async def _submit(self, callback: Callback) -> None:
        self.paths.append(f"{urlsplit(callback.url).path}/heartbeat")


async def _submit(callback: Callback) -> None:
    # The outside is asked for nothing: only what Ringback adds counts.
    assert callback.url, "every callback has a link"


def opening(
    address: str, wait: Callable[[], Awaitable[object]], *, plugin: RingbackPlugin | None = None
) -> AbstractAsyncContextManager[Openers]:
    """Run a worker whose activities `wait` for the block."""
    return asking_by(address, partial(Openers, wait=wait), plugins=[plugin] if plugin else [])


def plugin_at(url: str, api_key: str) -> RingbackPlugin:
    """Return the plugin of workers of the gateway at `url`."""
    return RingbackPlugin(url=url, api_key=api_key)


async def worker_key(store_url: str) -> str:
    """Add the API key of a worker to a store, and return it."""
    key_id = new_key_id(secrets.token_bytes(ID_BYTES))
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    settings = Settings(store=SecretStr(store_url))
    async with opened_store(settings, SystemClock()) as store:
        await store.add_key(NewKey(key_id, "the benchmark", Role.WORKER, digest_secret(secret)))
    return to_text(key_id, secret)
