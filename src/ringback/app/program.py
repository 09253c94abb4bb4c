"""The event loop and stop signals of long-running programs."""

import asyncio
import ctypes
import gc
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

T = TypeVar("T")

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_STOPPED: Final = 130
"""The exit code of a program that was stopped before it had started."""


def freeze_objects() -> None:
    """Exclude all current objects from garbage collection, and return what is freed later.

    A gateway that is ready has half a million objects that it never frees. Traversing them takes
    0.1 s, during which no request is handled.
    """
    gc.collect()
    gc.freeze()
    _return_freed_memory()


_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_MAPPED_FROM: Final = 128 * 1024
_ARENAS: Final = 4


def _return_freed_memory() -> None:
    """Let the C library return the memory of large bodies to the system when they are freed.

    By default glibc raises its threshold when one is freed, and then keeps the memory of up to 8
    heaps per processor. Other C libraries have no such settings.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM)
        mallopt(_M_ARENA_MAX, _ARENAS)


def run(program: Coroutine[Any, Any, T]) -> T:
    """Run `program` to its end, on uvloop where it is installed.

    A stop signal cancels it, unless it waits for `stop_requested`: then it stops by itself.
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
    """Call `stop` at the first stop signal; ignore later ones."""
    loop = asyncio.get_running_loop()

    def stop_once() -> None:
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, _ignore)
        stop()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop_once)


def _ignore() -> None:
    """Do nothing: the program is already stopping."""


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - missing on Windows and without the gateway
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


async def stop_requested() -> None:
    """Wait for a stop signal: Ctrl-C, SIGTERM, or a closed terminal."""
    stop = asyncio.Event()
    _on_signals(stop.set)
    await stop.wait()


def exit_at_stop() -> None:
    """Let a stop signal end the process at once.

    For a program that waits in a thread for its standard input, which cannot be canceled. It must
    have nothing to finish.
    """
    _on_signals(partial(os._exit, _STOPPED))
