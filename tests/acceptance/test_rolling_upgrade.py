"""Two versions on one database: the newer one has added to the schema."""

import re
import shutil
from pathlib import Path
from typing import Final

import httpx2
import pytest
from sqlalchemy import text

from ringback.app.web import free_ports
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import ROOT
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, on_postgresql, pytest.mark.thorough]

_MIGRATION: Final = '''
"""Add a column that has a default, a column that may be empty, and a table."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    region = sa.Column("region", sa.Text, nullable=False, server_default="home")
    op.add_column("callbacks", region)
    op.add_column("outcomes", sa.Column("note", sa.Text))
    op.create_table("regions", sa.Column("name", sa.Text, primary_key=True))
'''

_NEW_TABLES: Final = """
callbacks.append_column(Column("region", Text, nullable=False, server_default="home"))
outcomes.append_column(Column("note", Text))
"""

#: What a newer version may write and announce.
_UNKNOWN: Final = (
    "INSERT INTO audit_trail (callback_id, at, kind, facts)"
    " SELECT id, opened_at, 'moved', '{\"region\": \"abroad\"}' FROM callbacks",
    "NOTIFY ringback_moved, 'x'",
    "NOTIFY ringback_accepted, '{\"version\": 2}'",
    'NOTIFY ringback_settled, \'{"version": 2, "ids": [1, 2]}\'',
)


def newer_version(folder: Path) -> str:
    """Copy this version with one more migration; return the `PYTHONPATH` that runs it."""
    copy = folder / "newer"
    package = copy / "ringback"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "ringback", package, ignore=ignored)
    store = package / "store"
    (store / "migrations" / "versions" / "0002_regions.py").write_text(_MIGRATION)
    with (store / "tables.py").open("a") as tables:
        tables.write(_NEW_TABLES)
    return str(copy)


async def entries_at(site: Site, port: int) -> list[str]:
    """Return the kinds of the audit entries that a gateway reports for the newest callback."""
    key = local_key_path(site.data, Role.OPERATOR).read_text().strip()
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/v1/",
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
    ) as http:
        (first, *_) = (await http.get("callbacks")).raise_for_status().json()["callbacks"]
        found = (await http.get(f"callbacks/{first['id']}/audit")).raise_for_status().json()
    return [entry["kind"] for entry in found["entries"]]


async def state_after(site: Site, link: str, value: str, port: int) -> str:
    """Answer at a gateway, and return the state of the callback once it has ended."""
    reply = await site.post(link, value, port=port, prefer="wait=20")
    return str(reply.json()["state"])


async def write_what_is_unknown(site: Site) -> None:
    async with site.connected() as connection:
        for statement in _UNKNOWN:
            await connection.execute(text(statement))


async def test_old_and_new_version_serve_one_database(shared_site: Site, tmp_path: Path) -> None:
    site, newer = shared_site, newer_version(tmp_path)
    old_port, new_port = free_ports(2)
    async with site.gateway(port=old_port) as old, site.many_callbacks_worker(port=old_port):
        early = await site.ask(Questions(3))
        before, during, after = await site.service.next_links(3)
        states = [await state_after(site, before, "a", old_port)]

        assert re.search("0001.*0002", (await site.run("migrate", PYTHONPATH=newer)).output)
        async with site.starting_gateway(new_port, PYTHONPATH=newer) as new:
            await new.line("ready http")
            late = await site.ask(Questions(1))
            await write_what_is_unknown(site)
            kinds = await entries_at(site, old_port)
            states.append(await state_after(site, during, "b", old_port))
            states.append(await state_after(site, await site.service.next_link(), "c", new_port))
            await old.interrupt()
            states.append(await state_after(site, after, "d", new_port))

            assert states == ["applied"] * 4
            assert sorted(await early.result()) == ["a", "b", "d"]
            assert await late.result() == ["c"]
            assert ("opened" in kinds, "moved" in kinds) == (True, False)
        again = await site.run("serve", "--port", str(old_port))
    assert "Traceback" not in old.output + new.output
    assert (old.process.returncode, again.process.returncode) == (0, 2)
    assert again.output.endswith("'0002' is newer than this Ringback: upgrade Ringback")
