"""Commands against a gateway on fakes, over real HTTP: each command runs a loop of its own."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from typer.testing import CliRunner

from ringback.app.exits import exit_code
from ringback.app.web import bound_socket, served, url_of
from ringback.cli.main import create_app, named
from ringback.domain.api_key import Role
from ringback.domain.callback import Callback
from ringback.domain.errors import RingbackError
from ringback.domain.outcome import Outcome
from tests.unit.gateway.house import House, key_of, opened_house

T = TypeVar("T")

_SECONDS = 20


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def ringback(*words: str, stdin: str = "") -> Ran:
    """Run a command line in this process, with the exit code of a real one."""
    ran = CliRunner().invoke(create_app(named(words)), words, input=stdin, env=dict(os.environ))
    if isinstance(ran.exception, RingbackError):
        return Ran(exit_code(ran.exception), ran.stdout, f"{ran.stderr}ringback: {ran.exception}\n")
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


@dataclass(frozen=True)
class Served:
    """A gateway on fakes that listens at `url`; its loop runs in a thread."""

    url: str
    house: House
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop of the gateway."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_SECONDS)

    def asked(self, **asking: Any) -> Callback:
        """Open a callback, as a worker would."""
        return self.do(self.house.asked(**asking))

    def now(self, callback_id: str) -> Callback:
        """Return the latest state of a callback."""
        return self.do(self.house.found(callback_id))

    def outcome_of(self, callback_id: str) -> Outcome | None:
        """Return the answer that was accepted."""
        accepted = self.now(callback_id).accepted
        return None if accepted is None else accepted.outcome

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a command finds this gateway."""
        return {"RINGBACK_URL": self.url, "RINGBACK_API_KEY": key_of(Role.OPERATOR)}


@contextmanager
def served_house(**edges: Any) -> Iterator[Served]:
    """Serve a gateway on fakes for the block; `edges` replaces fields of `Edges`."""
    ready: Future[tuple[Served, Callable[[], None]]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(ready, edges)), name="gateway")
    thread.start()
    try:
        here, stop = ready.result(_SECONDS)
        try:
            yield here
        finally:
            here.loop.call_soon_threadsafe(stop)
    finally:
        thread.join(_SECONDS)


async def _serve(ready: "Future[tuple[Served, Callable[[], None]]]", edges: dict[str, Any]) -> None:
    stopped = asyncio.Event()
    try:
        async with opened_house(**edges) as house:
            listening = bound_socket("127.0.0.1", 0)
            async with served(house.app, listening):
                here = Served(url_of(listening), house, asyncio.get_running_loop())
                ready.set_result((here, stopped.set))
                await stopped.wait()
    except BaseException as exc:
        if not ready.done():
            ready.set_exception(exc)
        raise
