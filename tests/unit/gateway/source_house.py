"""A gateway with sources, and requests as GitHub signs them, by a computation of their own."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from ringback.domain.event import EventSummary
from ringback.ports.events import SourceDelivery
from ringback.sources.config import Source, load_sources
from ringback.store.database import Database
from ringback.store.sql_store import SqlStore
from tests.loops import idle
from tests.unit.gateway.house import House, opened_house

SECRET: Final = "it's a secret to everybody"  # noqa: S105 - a test's
TOML: Final = """
[sources.github]
provider = "github"
secrets = ["env:OLD", "env:SECRET"]

[[sources.github.rules]]
when = "action == 'completed' && workflow_run.conclusion == 'success'"
key = "join(':', ['github', 'run', to_string(workflow_run.id)])"
action = "complete"
result = "{conclusion: workflow_run.conclusion, attempt: workflow_run.run_attempt}"

[[sources.github.rules]]
when = "action == 'completed'"
key = "join(':', ['github', 'run', to_string(workflow_run.id)])"
action = "fail"
message = "join(' ', ['the run ended with', workflow_run.conclusion])"
non_retryable = "`true`"

[sources.slow]
provider = "github"
secrets = ["env:SECRET"]
limit = 2

[sources.many]
provider = "github"
secrets = ["env:SECRET"]
batch = "value"

[[sources.many.rules]]
key = "id"
action = "complete"

[sources.stripe]
provider = "stripe"
secrets = ["env:SECRET"]

[sources.slack]
provider = "slack"
secrets = ["env:SECRET"]
"""


def run_of(conclusion: str = "success", number: int = 42) -> bytes:
    run = {"id": number, "conclusion": conclusion, "run_attempt": 1}
    return json.dumps({"action": "completed", "workflow_run": run}).encode()


def signed(body: bytes, secret: str = SECRET, **more: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}", "x-github-delivery": "d-1", **more}


class SourceHouse(House):
    """A gateway with sources."""

    async def send(self, body: bytes, *, to: str = "github", **headers: str) -> httpx2.Response:
        return await self.http.post(f"/in/{to}", content=body, headers={**signed(body), **headers})

    async def events(self) -> Sequence[EventSummary]:
        await idle()
        return (await self.store.list_events("default", limit=100))[::-1]


class StoreThatHesitates(SqlStore):
    """A store whose commits take until the test says so."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.may_commit = asyncio.Event()

    async def store_deliveries(self, deliveries: Sequence[SourceDelivery]) -> Sequence[bool]:
        await self.may_commit.wait()
        return await super().store_deliveries(deliveries)


def sources_in(folder: Path, text: str = TOML, **more: Any) -> dict[str, Source]:
    """Return the sources that `text` describes."""
    path = folder / "ringback.toml"
    path.write_text(text, "utf-8")
    return load_sources(path, {"SECRET": SECRET, "OLD": "an older secret"}, **more)


@asynccontextmanager
async def opened_source_house(
    folder: Path, make_store: Callable[[Database], SqlStore] = SqlStore, **edges: Any
) -> AsyncIterator[SourceHouse]:
    """Open a gateway with the sources of `TOML`."""
    edges = {"sources": sources_in(folder), **edges}
    async with opened_house(make_store, **edges) as house:
        yield SourceHouse(**{name: getattr(house, name) for name in House.__dataclass_fields__})
