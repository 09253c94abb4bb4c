"""Gateway and worker run in one process; an answer by the link ends the activity."""

import re
from uuid import uuid4

import httpx2
import pytest

from tests.acceptance.programs import free_port
from tests.examples.conftest import RunExample

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "one_program.py"


async def test_answer_at_the_gateway_in_the_worker_s_process_ends_the_activity(
    run_example: RunExample,
) -> None:
    port = str(free_port())
    own = {"GATEWAY_PORT": port, "RINGBACK_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    async with run_example(EXAMPLE, "worker", **own) as worker:
        await worker.line(f"Gateway at http://127.0.0.1:{port} and worker are running")
        async with run_example(EXAMPLE, "ask", str(uuid4())) as asking:
            question = await worker.line("May order")
            found = re.search(r"http://\S+", question)
            assert found is not None
            async with httpx2.AsyncClient() as http:
                reply = await http.post(found[0], json=True)
            code = await asking.end()

    assert reply.status_code == 202
    assert (code, asking.output.strip()) == (0, "shipped")
