"""A program that is older than the schema refuses to start."""

import asyncio

import pytest
from sqlalchemy import text

from tests.acceptance.marks import on_both_stores
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


@on_both_stores
async def test_program_that_is_older_than_the_schema_refuses_to_run(shared_site: Site) -> None:
    site = shared_site
    async with site.connected() as connection:
        await connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        await connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))

    refused = await asyncio.gather(
        site.run("serve", "--port", str(site.gateway_port)), site.run("migrate")
    )

    for program in refused:
        assert program.process.returncode == 2
        assert program.output.endswith("'9999' is newer than this Ringback: upgrade Ringback")
        assert "Traceback" not in program.output
