"""What every long-running program needs: a loop, a log, and a way to be stopped."""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_STOPPED: Final = 130
"""The exit code of a program that was told to stop before it had started."""

_QUIET: Final = ("httpx2", "httpcore2", "alembic", "uvicorn.error")
"""Loggers that tell too much: what httpx2 says of a request holds the link."""

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


def settle_down() -> None:
    """Leave what is there by now out of every later collection of garbage.

    A program has made some half a million objects by the time it is ready, for good. To walk them
    all takes a tenth of a second, in which it answers nobody.
    """
    gc.collect()
    gc.freeze()


def run(program: Coroutine[Any, Any, T]) -> T:
    """Run `program` to its end, on the fastest loop there is.

    A signal to stop cancels it, unless it waits for `stop_requested`; then it ends in its own way.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_stoppable(program))


async def _stoppable(program: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    _on_signals(task.cancel)
    try:
        return await program
    except asyncio.CancelledError:
        raise SystemExit(_STOPPED) from None


def _on_signals(stop: Callable[[], object]) -> None:
    """Call `stop` at the first signal; those after it change nothing: it is stopping already."""
    loop = asyncio.get_running_loop()

    def stop_once() -> None:
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, _ignore)
        stop()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop_once)


def _ignore() -> None:
    """Do nothing: the program is stopping already."""


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - does not exist on Windows, and comes with the gateway
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


async def stop_requested() -> None:
    """Return when somebody asks the program to stop: Ctrl-C, SIGTERM, or a closed terminal."""
    stop = asyncio.Event()
    _on_signals(stop.set)
    await stop.wait()


def set_up_logging(level: int) -> None:
    """Log to standard error, a line a record: text or, with `RINGBACK_LOG=json`, JSON.

    What is logged as JSON is read by a program, which gets everything from INFO on.
    """
    handler = logging.StreamHandler(sys.stderr)
    is_json = os.environ.get("RINGBACK_LOG") == "json"
    handler.setFormatter(_JsonLines() if is_json else _TextLines())
    logging.basicConfig(level=logging.INFO if is_json else level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _TextLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        return f"{super().format(record)} {facts}".rstrip()


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
