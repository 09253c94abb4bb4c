"""Many activities are worked on ten at a time, and one that fails stops no other."""

import pytest
from temporalio.client import Client

from tests.examples.conftest import EXAMPLES
from tests.tutorial.programs import running

pytestmark = [pytest.mark.server, pytest.mark.processes]


async def test_all_but_one_address_exist(temporal_address: str, client: Client) -> None:
    script = EXAMPLES / "batch.py"

    async with running(script, temporal_address=temporal_address) as program:
        ended = await program.ended()

    assert (ended.exit_code, ended.err) == (0, [])
    assert ended.out == [
        "10 of 40 done",
        "20 of 40 done",
        "30 of 40 done",
        "40 of 40 done",
        "39 completed, failed: [ApplicationError('UnknownAddress: there is no 13 High Street')]",
        "39 addresses exist",
    ]
    assert await client.get_workflow_handle("batch-of-addresses").result() == 39
