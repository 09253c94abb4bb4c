"""Large bodies: how much memory a gateway takes while many senders send one at the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figures, Measured, Notes, percentile
from benchmarks.postgresql import running_cluster
from benchmarks.programs import Program
from benchmarks.questions import Keys, gateway
from benchmarks.stores import PostgresqlTemplate, SqliteTemplate, Template, check_kept
from benchmarks.temporals import silent_temporal
from benchmarks.wrk import DriveError

WORK: Final = "bodies"
TITLE: Final = "Large bodies"
OURS: Final = "Ringback, SQLite"
POSTGRESQL: Final = "Ringback, PostgreSQL"
PEAK: Final = "peak memory"
COMPARED: Final = PEAK
PLOTTED: Final = ()

SENDERS: Final = 256
SIZE: Final = 2 * 1024 * 1024 - 1024
"""The default limit of a body."""

SMALL_P99: Final = "small answers meanwhile, p99"

METHOD: Final = """
256 senders each open a connection and send an answer of 2 MiB at the same time; a sender that gets
503 waits as long as `Retry-After` says, and sends again, until all are accepted. Meanwhile another
sender sends small answers, one after the other. The bodies are one string, an array of numbers, or
an array of empty arrays: the last takes 25 times its size as Python objects.

- **Peak memory** is the highest resident set of the gateway's process (VmHWM) until all have their
  receipts and for two seconds more, in which deliveries start. Temporal accepts connections and
  never replies.
- **Retries** counts the replies with 503.
"""

_LONGEST_SECONDS: Final = 120
_SETTLE_SECONDS: Final = 2.0
_SMALL: Final = 2_000
_PAUSE_SECONDS: Final = 0.01

BODIES: Final = {
    "a string": b'"' + b"a" * (SIZE - 2) + b'"',
    "numbers": b"[" + b"0.5," * ((SIZE - 8) // 4) + b"0.5]",
    "empty arrays": b"[" + b"[]," * ((SIZE - 8) // 3) + b"[]]",
}


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure each kind of body on both stores."""
    notes, keys, folder = Notes(), Keys(bench.folder), bench.new_folder()
    count = SENDERS + _SMALL
    async with running_cluster(folder) as cluster:
        stores: dict[str, Template] = {
            OURS: await SqliteTemplate.make(folder, keys, count),
            POSTGRESQL: await PostgresqlTemplate.make(cluster, keys, count),
        }
        runs = (
            (f"{of}, {at}", partial(_run, bench, notes, keys, of=of, at=at, template=template))
            for of, template in stores.items()
            for at in BODIES
        )
        await bench.interleaved(runs, times=1)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of memory."""
    for of in (OURS, POSTGRESQL):
        for at in BODIES:
            peak = figures.values(of, at=at, what=PEAK)
            yield Bar(f"{of}, {at}: {PEAK}", 250, peak, unit="MB", is_ceiling=True)


@dataclass
class _Sent:
    """What senders met."""

    accepted: int = 0
    retries: int = 0
    small: list[float] = field(default_factory=list)
    is_over: bool = False


async def _run(
    bench: Bench, notes: Notes, keys: Keys, *, of: str, at: str, template: Template
) -> None:
    sent = _Sent()
    async with template.copied() as store_url:
        with silent_temporal() as address:
            running: AbstractAsyncContextManager[tuple[Program, str]] = gateway(
                store_url, keys, temporal=address, folder=bench.new_folder()
            )
            async with running as (server, url):
                idle = server.memory()
                began = time.perf_counter()
                async with asyncio.timeout(_LONGEST_SECONDS):
                    await _send_all(url, template.paths, body=BODIES[at], sent=sent)
                took = time.perf_counter() - began
                await asyncio.sleep(_SETTLE_SECONDS)  # deliveries start
                peak, after = server.peak_memory(), server.memory()
                await server.kill()
        await check_kept(store_url, sent.accepted)
    note = partial(notes.add, of=of, at=at)
    note(idle, "MB", what="memory before")
    note(peak, "MB", what=PEAK)
    note(after, "MB", what="memory after")
    note(took, "s", what="until all are accepted")
    note(sent.retries, "", what="retries")
    note(1000 * percentile(sorted(sent.small), 99), "ms", what=SMALL_P99)


async def _send_all(url: str, paths: list[str], *, body: bytes, sent: _Sent) -> None:
    post = partial(_post, str(urlsplit(url).hostname), int(urlsplit(url).port or 0))
    small = asyncio.ensure_future(_send_small(post, paths[SENDERS:], sent))
    try:
        async with asyncio.TaskGroup() as group:
            for path in paths[:SENDERS]:
                group.create_task(_send(post, path, body=body, sent=sent))
    finally:
        sent.is_over = True
        await small


_Post: TypeAlias = Callable[[str, bytes], Awaitable[float | None]]


async def _send(post: _Post, path: str, *, body: bytes, sent: _Sent) -> None:
    while (after := await post(path, body)) is not None:
        sent.retries += 1
        await asyncio.sleep(after)
    sent.accepted += 1


async def _send_small(post: _Post, paths: list[str], sent: _Sent) -> None:
    """Send small answers until all large ones are accepted.

    Raises:
        DriveError: One was refused.
    """
    for path in paths:
        if sent.is_over:
            return
        began = time.perf_counter()
        if await post(path, b'"small"') is not None:
            msg = "a small answer was refused while large ones arrived"
            raise DriveError(msg)
        sent.small.append(time.perf_counter() - began)
        sent.accepted += 1
        await asyncio.sleep(_PAUSE_SECONDS)


async def _post(host: str, port: int, path: str, body: bytes) -> float | None:  # noqa: PLR0917 - bound in order
    """Post on a connection of its own; return how long to wait before the next try.

    Raises:
        DriveError: The gateway replied something else.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        head = f"POST {path} HTTP/1.1\r\nhost: gateway.example\r\ncontent-length: {len(body)}\r\n"
        writer.write(head.encode() + b"connection: close\r\n\r\n")
        writer.write(body)
        reply = await reader.read()
    finally:
        writer.transport.abort()
    status = reply[9:12]
    if status == b"202":
        return None
    if status not in {b"503", b"429"}:
        msg = f"an answer got {reply[:200]!r}"
        raise DriveError(msg)
    after = reply.lower().partition(b"retry-after: ")[2].partition(b"\r\n")[0]
    return float(after or b"1")
