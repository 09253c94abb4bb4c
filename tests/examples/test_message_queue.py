"""A consumer that knows only RabbitMQ ends the activity, by the link in the message's header."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest

from tests.acceptance.programs import Program
from tests.acceptance.rabbitmq import URL, OwnQueue, rabbitmq_queue
from tests.acceptance.site import Site
from tests.examples.conftest import EXAMPLES, RunExample

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "message_queue.py"


@pytest.fixture(scope="module")
async def queue() -> AsyncIterator[OwnQueue]:
    """The queue of the work; that of the answers belongs to it."""
    async with rabbitmq_queue() as queue:
        yield queue
        async with await aio_pika.connect(URL) as connection:
            channel = await connection.channel()
            await channel.queue_delete(f"{queue.name}-answers")


@pytest.fixture(scope="module")
def run_here(run_example: RunExample, queue: OwnQueue) -> RunExample:
    """Runs the example with the queues of this test."""
    return partial(run_example, RABBITMQ_URL=URL, PICTURES_QUEUE=queue.name)


def write_settings(folder: Path, answers: str) -> str:
    """Write the settings of the example with another queue, and return their path."""
    text = (EXAMPLES / "message_queue.toml").read_text("utf-8")
    assert '"pictures-answers"' in text
    path = folder / "ringback.toml"
    path.write_text(text.replace("pictures-answers", answers), "utf-8")
    return str(path)


@pytest.fixture(scope="module", autouse=True)
async def gateway(
    site: Site, queue: OwnQueue, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Program]:
    """A gateway that reads the answers, before there is a queue for them."""
    file = write_settings(tmp_path_factory.mktemp("sources"), f"{queue.name}-answers")
    async with site.gateway(RINGBACK_SOURCES_FILE=file, RABBITMQ_URL=URL) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
async def worker(
    run_here: RunExample,
    gateway: Program,  # noqa: ARG001 - a worker opens its callbacks there
) -> AsyncIterator[Program]:
    async with run_here(EXAMPLE, "worker") as running:
        await running.line("Worker is running")
        yield running


@pytest.fixture
def picture() -> str:
    return f"{uuid4()}.jpg"


async def test_answer_of_the_consumer_is_the_result_of_the_activity(
    run_here: RunExample, picture: str
) -> None:
    async with (
        run_here(EXAMPLE, "consumer") as consumer,
        run_here(EXAMPLE, "shrink", picture) as ordered,
    ):
        code = await ordered.end()
        await consumer.line(f"{picture}: complete")

    assert (code, ordered.lines) == (0, [f"thumbnail of {picture}"])


@pytest.mark.thorough
async def test_message_waits_for_a_consumer_and_the_answer_for_a_gateway(
    run_here: RunExample, gateway: Program, queue: OwnQueue, picture: str
) -> None:
    async with run_here(EXAMPLE, "shrink", picture) as ordered:
        await queue.until(1)
        with gateway.frozen():
            async with run_here(EXAMPLE, "consumer") as consumer:
                await consumer.line(f"{picture}: complete")
        code = await ordered.end()

    assert (code, ordered.lines) == (0, [f"thumbnail of {picture}"])


@pytest.mark.thorough
async def test_failure_of_the_work_fails_the_activity_and_the_next_message_is_consumed(
    run_here: RunExample, picture: str
) -> None:
    document = f"{uuid4()}.txt"
    async with run_here(EXAMPLE, "consumer") as consumer:
        async with run_here(EXAMPLE, "shrink", document) as refused:
            failed = await refused.end()
        async with run_here(EXAMPLE, "shrink", picture) as ordered:
            code = await ordered.end()
        await consumer.line(f"{picture}: complete")

    assert failed == 1
    assert refused.lines == [f"not shrunk: NotAPicture: {document} is not a picture"]
    assert (code, ordered.lines) == (0, [f"thumbnail of {picture}"])
