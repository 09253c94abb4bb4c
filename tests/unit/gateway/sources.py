"""Sources of tests, and requests that are signed as their providers sign."""

import hmac
import json
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from ringback.sources.config import Source, load_sources
from ringback.store.database import Database
from ringback.store.tables import metadata

SECRET: Final = "it's a secret to everybody"  # noqa: S105 - a test's
CI: Final = """
[sources.ci]
provider = "github"
secrets = ["env:SECRET", "env:OLD"]
headers = ["X-GitHub-Event"]
limit = 50
ttl = "72h"

[[sources.ci.rules]]
when = "action == 'completed'"
key = "join(':', ['github', 'run', to_string(workflow_run.id)])"
action = "complete"
result = "workflow_run.conclusion"
"""


def sources_of(folder: Path, text: str = CI) -> dict[str, Source]:
    """Return the sources of a `ringback.toml`."""
    path = folder / "ringback.toml"
    path.write_text(text, "utf-8")
    return load_sources(path, {"SECRET": SECRET, "OLD": "an older secret"})


def run_of(conclusion: object = "success", number: int = 42) -> bytes:
    """Return the body of an event that a run has ended."""
    run = {"id": number, "conclusion": conclusion}
    return json.dumps({"action": "completed", "workflow_run": run}).encode()


def signed(body: bytes, **more: str) -> dict[str, str]:
    """Return the headers with which GitHub sends `body`."""
    digest = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    kind = {"content-type": "application/json", "x-github-event": "workflow_run"}
    return {"x-hub-signature-256": f"sha256={digest}", "x-github-delivery": "d-1", **kind, **more}


async def tables(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    async with database.writing() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table))]
            for table in metadata.sorted_tables
        }
