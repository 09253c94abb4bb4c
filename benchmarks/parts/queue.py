"""Queue: how many answers a second are taken from a broker, those that come again included."""

import sqlite3
from collections.abc import Iterable
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.brokers import STREAM, Broker, broker
from benchmarks.figures import RATE, Bar, Figures, Measured, Notes
from benchmarks.programs import Program, python, running
from benchmarks.questions import Keys, gateway
from benchmarks.stores import SqliteTemplate, check_kept
from benchmarks.targets import BODY
from benchmarks.temporals import silent_temporal
from benchmarks.wrk import DriveError

WORK: Final = "queue"
TITLE: Final = "Queue"
OURS: Final = "Ringback, SQLite, NATS"
COMPARED: Final = RATE
PLOTTED: Final = ()

BARE: Final = "bare consumer, SQLite, NATS"

METHOD: Final = """
How many messages per second a consumer takes from a stream of NATS JetStream: commit, then
acknowledge. Each message has the link of its own open callback in a header, and 200 bytes of JSON;
one in ten comes twice.

- **Ringback** is one `ringback serve` process with the default prefetch of 256. SQLite is in WAL
  mode with `synchronous=FULL`; Temporal accepts connections and never replies. After each run the
  gateway is killed, and the store must have exactly one answer for each callback.
- **Bare consumer** fetches up to 256 messages, inserts their bodies into one SQLite table in one
  commit, and acknowledges them. It verifies, checks and delivers nothing.
- The time runs from the first acknowledgement that is seen until all messages are acknowledged.
"""

_QUESTIONS: Final = 18_000
_ONE_IN: Final = 10
_DURABLE: Final = "ringback"

_QUEUES: Final = """
[queues.bench]
url = "{url}"
stream = "{stream}"
group = "{group}"
"""


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure both, side by side."""
    notes, keys, folder = Notes(), Keys(bench.folder), bench.new_folder()
    count = bench.scaled(_QUESTIONS)
    template = await SqliteTemplate.make(folder, keys, count)
    runs = (
        (OURS, partial(_ours, bench, notes, template, keys=keys)),
        (BARE, partial(_bare, bench, notes, template)),
    )
    await bench.interleaved(runs)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bar of a queue."""
    at = next(iter(figures)).at
    rates = figures.values(OURS, at=at, what=RATE)
    yield Bar("answers from a queue, SQLite", 3_000, rates, unit="/s")


async def _ours(bench: Bench, notes: Notes, template: SqliteTemplate, *, keys: Keys) -> None:
    folder = bench.new_folder()
    async with broker(bench.new_folder(), _messages(template)) as full, template.copied() as store:
        file = folder / "queues.toml"
        file.write_text(_QUEUES.format(url=full.url, stream=STREAM, group=_DURABLE))
        with silent_temporal() as temporal:
            more = {"RINGBACK_SOURCES_FILE": str(file)}
            async with gateway(store, keys, temporal=temporal, folder=folder, more=more) as (
                program,
                _,
            ):
                await _note(notes, full, program, of=OURS, count=len(template.paths))
                await program.kill()
        await check_kept(store, len(template.paths))


async def _bare(bench: Bench, notes: Notes, template: SqliteTemplate) -> None:
    file = bench.new_folder() / "bare.db"
    async with broker(bench.new_folder(), _messages(template)) as full:
        words = python("benchmarks.rivals.bare_consumer", full.url, STREAM, _DURABLE, str(file))
        async with running(words, cwd=bench.root) as program:
            await program.ready()
            await _note(notes, full, program, of=BARE, count=len(template.paths))
            await program.kill()
    with sqlite3.connect(file) as store:
        (held,) = store.execute("SELECT count(*) FROM messages").fetchone()
    if held != len(template.paths):
        msg = f"the bare consumer holds {held} of {len(template.paths)}"
        raise DriveError(msg)


async def _note(notes: Notes, full: Broker, program: Program, *, of: str, count: int) -> None:
    seconds, messages = await full.consumed(_DURABLE)
    used = program.cpu_seconds()
    note = partial(notes.add, of=of, at=f"{count:,} callbacks")
    note(messages / seconds, "/s", what=RATE)
    note(1000 * used / full.total, "ms", what="CPU each, with the start")


def _messages(template: SqliteTemplate) -> list[tuple[dict[str, str], bytes]]:
    found = []
    for number, path in enumerate(template.paths):
        message = ({"ringback-link": path}, BODY)
        found += [message] * (2 if number % _ONE_IN == 0 else 1)
    return found
