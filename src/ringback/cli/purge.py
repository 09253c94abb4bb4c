"""The command that deletes what ended long ago, and exports it first if wished."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from ringback.app.program import run
from ringback.cli.gateway import operator_client
from ringback.cli.params import AsJson, duration_option
from ringback.client.gateway_client import GatewayClient
from ringback.ports.retention import RecordKind
from ringback.schemas.retention import EndedOut

_PAUSE: Final = 10
"""A pause is so many times as long as the request before it, so that answers go first."""

#: In this order: events are kept as long as the callback that they led to.
_KINDS: Final = (RecordKind.CALLBACKS, RecordKind.EVENTS)


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing, only count.")] = False,
    older_than: Annotated[
        timedelta | None,
        duration_option(
            "What ended so long ago: 30d; default: the gateway's RINGBACK_KEEP_ENDED_FOR."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="First write each callback with its whole history to this new file, as a line of"
            " JSON. The file contains payloads.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete callbacks and events that ended long ago.

    The gateway does that by itself; use this to delete more, or to export first. Open, accepted and
    parked callbacks stay.
    """
    with _opened(export) as file:
        counts = run(_purge(older_than, file, dry_run=dry_run))
    if as_json:
        print(json.dumps({"deleted": not dry_run, "rows": dict(counts)}))
    else:
        print(*_to_lines(counts, dry_run=dry_run), sep="\n")


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO | None]:
    """Create a file that only its owner can read.

    Raises:
        typer.BadParameter: It exists, or cannot be created.
    """
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        msg = f"{path} exists; name a new file"
        raise typer.BadParameter(msg) from exc
    except OSError as exc:
        msg = f"{path} cannot be created: {exc.strerror}"
        raise typer.BadParameter(msg) from exc
    with os.fdopen(descriptor, "wb") as file:
        _sync_folder(path)
        yield file


def _sync_folder(path: Path) -> None:
    # After a power cut, the folder must still have the file.
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def _purge(
    older_than: timedelta | None, file: BinaryIO | None, *, dry_run: bool
) -> Counter[str]:
    counts: Counter[str] = Counter()
    age = {} if older_than is None else {"older_than": f"{older_than.total_seconds():f}"}
    async with operator_client() as client:
        for kind in _KINDS:
            body = {"kind": kind.value, **age}
            after: dict[str, str] | None = {}
            while after is not None:
                began_at = time.monotonic()
                if file is None:
                    purged = await client.purge({**body, **after, "dry_run": dry_run})
                    counts += purged.rows
                    next_ = purged.after
                else:
                    page = await client.export_ended({**body, **after})
                    counts += await _export(client, page, file, body=body, dry_run=dry_run)
                    next_ = page.after
                after = None if next_ is None else {"after": next_}
                if after and not dry_run:
                    await asyncio.sleep(_PAUSE * (time.monotonic() - began_at))
    return counts


async def _export(
    client: GatewayClient, page: EndedOut, file: BinaryIO, *, body: dict[str, str], dry_run: bool
) -> Counter[str]:
    """Write a page to `file` durably, then delete it; return what was deleted by table."""
    for record in page.records:
        line = {"kind": body["kind"], "id": record.id, "rows": record.rows}
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
    if dry_run:
        return Counter({
            table: len(rows) for record in page.records for table, rows in record.rows.items()
        })
    if not page.records:
        return Counter()
    exported = {record.id: record.version for record in page.records}
    return Counter((await client.purge({**body, "exported": exported})).rows)


def _to_lines(counts: Counter[str], *, dry_run: bool) -> Iterator[str]:
    if not counts:
        yield "nothing ended so long ago"
        return
    yield "would delete" if dry_run else "deleted"
    for table, count in counts.items():
        yield f"{count:>12,}  {table}"
