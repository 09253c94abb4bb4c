"""An upgrade is killed halfway, while programs of both versions run: the next one finishes it."""

import re
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from ringback.app.web import free_ports
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import preloaded
from tests.acceptance.site import Site
from tests.acceptance.test_rolling_upgrade import newer_version

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

#: Halfway, the process that the test kills waits for it.
_HALFWAY: Final = """
    import os, sys, threading
    if os.environ.get("STOP_HALFWAY"):
        print("halfway", file=sys.stderr, flush=True)
        threading.Event().wait()
    op.add_column("outcomes", """


def stopping_version(folder: Path) -> str:
    """Return the `PYTHONPATH` of a newer version whose upgrade can be stopped halfway."""
    path = newer_version(folder)
    file = Path(path) / "ringback" / "store" / "migrations" / "versions" / "0002_regions.py"
    file.write_text(file.read_text("utf-8").replace('    op.add_column("outcomes", ', _HALFWAY))
    return path


async def versions(site: Site) -> list[str]:
    async with site.connected() as connection:
        rows = await connection.execute(text("SELECT version_num FROM alembic_version"))
        return [one for (one,) in rows]


@on_both_stores
async def test_upgrade_killed_halfway_is_finished_by_the_programs_that_wait_for_it(
    shared_site: Site, tmp_path: Path
) -> None:
    site, newer = shared_site, stopping_version(tmp_path)
    old_port, new_port = free_ports(2)
    async with site.gateway(port=old_port) as old, site.many_callbacks_worker(port=old_port):
        workflow = await site.ask(Questions(3))
        before, during, after = await site.service.next_links(3)
        await site.until_submitted()
        states = [(await site.post(before, "a", port=old_port, prefer="wait=20")).json()["state"]]

        environment = site.environment | {"PYTHONPATH": newer}
        async with preloaded(["migrate"], environment | {"STOP_HALFWAY": "1"}) as killed:
            await killed.line("halfway")
            async with (
                site.starting_gateway(new_port, PYTHONPATH=newer) as new,
                preloaded(["migrate"], environment) as second,
            ):
                await killed.kill()
                await new.line("ready http")
                code = await second.end()
                # A client repeats what got 503 while a table was locked.
                reply = await site.post(during, "b", port=old_port, prefer="wait=20")
                states.append(reply.json()["state"])
                await old.kill()
                reply = await site.post(after, "c", port=new_port, prefer="wait=20")
                states.append(reply.json()["state"])

                assert sorted(await workflow.result()) == ["a", "b", "c"]

    assert states == ["applied"] * 3
    assert (code, await versions(site)) == (0, ["0002"])
    assert re.search("the schema is (now|already) 0002|0001.*0002", second.output)
    assert "Traceback" not in old.output + new.output + second.output
