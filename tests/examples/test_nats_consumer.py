"""The consumer of a message queue completes the activity, and then acknowledges the message."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.acceptance.nats_server import nats_server
from tests.acceptance.programs import Program
from tests.examples.conftest import RunExample

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "nats_consumer.py"


@pytest.fixture(scope="module")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
async def worker(run_example: RunExample, nats_url: str) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "worker", NATS_URL=nats_url) as running:
        await running.line("Worker is running")
        yield running


@pytest.fixture
def picture() -> str:
    return f"{uuid4()}.jpg"


async def test_result_of_the_consumer_is_the_result_of_the_activity(
    run_example: RunExample, nats_url: str, picture: str
) -> None:
    async with (
        run_example(EXAMPLE, "consumer", NATS_URL=nats_url) as consumer,
        run_example(EXAMPLE, "shrink", picture) as ordered,
    ):
        code = await ordered.end()
        await consumer.line(f"{picture}: done")

    assert (code, ordered.lines) == (0, [f"thumbnail of {picture}"])


@pytest.mark.thorough
async def test_message_waits_for_a_consumer(
    run_example: RunExample, nats_url: str, picture: str
) -> None:
    async with (
        run_example(EXAMPLE, "shrink", picture) as ordered,
        run_example(EXAMPLE, "consumer", NATS_URL=nats_url) as consumer,
    ):
        await consumer.line("Consumer is running")
        code = await ordered.end()

    assert (code, ordered.lines) == (0, [f"thumbnail of {picture}"])


@pytest.mark.thorough
async def test_failure_of_the_work_fails_the_activity_and_the_next_message_is_consumed(
    run_example: RunExample, nats_url: str, picture: str
) -> None:
    document = f"{uuid4()}.txt"
    async with run_example(EXAMPLE, "consumer", NATS_URL=nats_url) as consumer:
        async with run_example(EXAMPLE, "shrink", document) as refused:
            failed = await refused.end()
        async with run_example(EXAMPLE, "shrink", picture) as ordered:
            code = await ordered.end()
        await consumer.line(f"{picture}: done")

    assert failed == 1
    assert refused.lines == [f"not shrunk: NotAPicture: {document} is not a picture"]
    assert (code, ordered.lines) == (0, [f"thumbnail of {picture}"])
