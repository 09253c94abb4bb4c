"""The page's two programs and its queue finish a workflow."""

import asyncio
import importlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Final

import aio_pika
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from ringback.core.services import task_group
from ringback.sources.queue_config import load_queues
from tests.integration.env import gateway, plugin_for, settings_in
from tests.services import missing

pytestmark = pytest.mark.server

_VARIABLE: Final = "RINGBACK_TEST_RABBITMQ"
URL: Final = os.environ.get(_VARIABLE, "amqp://guest:guest@127.0.0.1:5672/")
PAGE: Final = Path(__file__).parents[2] / "docs" / "howto" / "answer-from-a-queue.md"
QUEUES: Final = ("payment-requests", "payment-answers")


@pytest.fixture
async def channel(unique: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel; the queues of this test are deleted afterwards."""
    try:
        connection = await aio_pika.connect(URL, timeout=5)
    except (OSError, aio_pika.exceptions.AMQPError):
        missing("RabbitMQ", f"start one on 127.0.0.1:5672 or set {_VARIABLE}=amqp://…")
    async with connection, connection.channel() as channel:
        yield channel
        for name in QUEUES:
            await channel.queue_delete(f"{unique}-{name}")


def text_of(unique: str) -> str:
    """Return the page with queues of this test."""
    text = PAGE.read_text("utf-8")
    for name in QUEUES:
        text = text.replace(f'"{name}"', f'"{unique}-{name}"')
    return text


def blocks_of(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def programs(
    tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[ModuleType, ModuleType]:
    """The two programs of the page, as modules."""
    monkeypatch.setenv("RABBITMQ_URL", URL)
    monkeypatch.syspath_prepend(tmp_path)
    payments, service = blocks_of(text_of(unique), "python")
    (tmp_path / "howto_queue_payments.py").write_text(payments)
    (tmp_path / "howto_queue_service.py").write_text(service)
    return (
        importlib.import_module("howto_queue_payments"),
        importlib.import_module("howto_queue_service"),
    )


async def test_programs_of_the_page_finish_the_workflow(
    tmp_path: Path,
    temporal_address: str,
    unique: str,
    programs: tuple[ModuleType, ModuleType],
    channel: aio_pika.abc.AbstractChannel,
) -> None:
    payments, service = programs
    path = tmp_path / "ringback.toml"
    (toml,) = blocks_of(text_of(unique), "toml")
    path.write_text(toml)
    settings = settings_in(tmp_path, sources_file=path)
    async with gateway(temporal_address, settings), task_group() as group:
        serving = group.create_task(service.serve())
        client = await Client.connect(temporal_address, plugins=[plugin_for(settings)])
        async with Worker(
            client, task_queue=unique, workflows=[payments.Charge], activities=[payments.charge]
        ):
            async with asyncio.timeout(60):
                result = await client.execute_workflow(
                    payments.Charge.run, "17", id=unique, task_queue=unique
                )
        serving.cancel()
    answers = await channel.declare_queue(f"{unique}-payment-answers", passive=True)

    assert result == 4200
    assert answers.declaration_result.message_count == 0


def test_other_blocks_of_the_page_are_queues_that_load(tmp_path: Path) -> None:
    blocks = re.findall(r"```\n(\[queues.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block, "utf-8")
        assert len(load_queues(path, {"RABBITMQ_URL": URL})) == 1
    assert len(blocks) == 4
