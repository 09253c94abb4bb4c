"""Messages of a real RabbitMQ answer workflows, whoever is killed or away in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ringback.domain.callback import State
from tests.acceptance.command_line import Command
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import Program, program, ringback
from tests.acceptance.rabbitmq import URL, OwnQueue, rabbitmq_queue
from tests.acceptance.site import Site
from tests.acceptance.test_aliases import put_alias
from tests.acceptance.test_full_disk import no_room
from tests.contract.proxy import Proxy, proxy_to
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes]

PATIENCE_SECONDS = 60

TOML = """
[queues.answers]
url = "env:RABBITMQ"
queue = "{name}"
trusted = true

[[queues.answers.rules]]
key = "join(':', ['order', id])"
action = "complete"
result = "total"
"""


@pytest.fixture
async def queue() -> AsyncIterator[OwnQueue]:
    async with rabbitmq_queue() as queue:
        yield queue


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before RabbitMQ."""
    async with proxy_to(urlsplit(URL).port or 5672) as proxy:
        yield proxy


@dataclass(frozen=True)
class Consumed:
    """A queue that programs consume."""

    queue: OwnQueue
    file: Path

    def environment(self, url: str = URL) -> dict[str, str]:
        return {"RINGBACK_SOURCES_FILE": str(self.file), "RABBITMQ": url}

    def gateway(self, site: Site, url: str = URL) -> AbstractAsyncContextManager[Program]:
        """Run a gateway that consumes the queue."""
        return site.gateway(temporal="ok", RINGBACK_SOURCES_FILE=str(self.file), RABBITMQ=url)


@pytest.fixture
def consumed(tmp_path: Path, queue: OwnQueue) -> Consumed:
    path = tmp_path / "queues.toml"
    path.write_text(TOML.format(name=queue.name), "utf-8")
    return Consumed(queue, path)


async def events(site: Site) -> list[dict[str, Any]]:
    """Return the events, the newest first."""
    found: list[dict[str, Any]] = (await Command(site)("events", "--json")).json["events"]
    return found


async def until_events(site: Site, count: int, *, ended: bool = False) -> list[dict[str, Any]]:
    """Return the events once there are `count`, all of which have `ended` if wanted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await events(site)
            if sum(one["state"] != "waiting" or not ended for one in found) >= count:
                return found
            await pause()


async def result_of(site: Site, name: str) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await (await site.handle_of(name)).result()


async def two_links(site: Site) -> list[str]:
    """Start the workflows `first` and `second`, and return their links."""
    links: list[str] = []
    for name in ("first", "second"):
        await site.start_workflow(name)
        links.append(await site.service.next_link())
    return links


async def id_of(site: Site, workflow: str) -> str:
    """Return the id of the callback of a workflow."""
    callbacks = (await Command(site)("list", "--json")).json["callbacks"]
    return next(str(one["id"]) for one in callbacks if one["workflow_id"] == workflow)


@on_both_stores
async def test_link_alias_and_rule_answer_and_poison_is_stored(
    site: Site, consumed: Consumed
) -> None:
    queue = consumed.queue
    await queue.publish(b'{"id": "7", "total": 3}', key="m1")
    async with site.temporal(), consumed.gateway(site), site.worker():
        link, _ = await two_links(site)
        await queue.publish(b'{"paid": 5}', ringback_link=f"{site.gateway_url}{link}")
        await queue.publish(b"no", ringback_link="nonsense")
        await put_alias(site, await id_of(site, "second"), "order:7")

        results = [await result_of(site, name) for name in ("first", "second")]
        found = await until_events(site, 2, ended=True)
    await queue.until(0)

    assert results == [{"paid": 5}, 3]
    dead, matched = sorted(found, key=lambda one: str(one["state"]))
    assert (matched["source"], matched["state"]) == ("answers", "matched")
    assert (matched["alias"], matched["delivery_key"]) == ("order:7", "m1")
    assert (dead["source"], dead["state"]) == ("answers", "dead")
    assert "the link is edited" in dead["reason"]


@on_both_stores
@pytest.mark.thorough
async def test_kill_between_commit_and_acknowledgement_counts_once(
    site: Site, consumed: Consumed, proxy: Proxy
) -> None:
    """The proxy holds the acknowledgements back, and then the gateway is killed."""
    queue, through = consumed.queue, URL.replace(":5672", f":{proxy.port}")
    async with site.temporal(), AsyncExitStack() as workers:
        async with consumed.gateway(site, through) as gateway:
            await workers.enter_async_context(site.worker())
            link, _ = await two_links(site)
            await gateway.line("queue connected")
            proxy.hold_requests()
            await queue.publish(b"1", ringback_link=link, key="m1")
            await queue.publish(b"2", ringback_alias="order:8", key="m2")
            await site.until(lambda found: any(one.accepted for one in found), frozenset(State))
            await until_events(site, 1)
            await gateway.kill()
            proxy.cut()
        await queue.until(2)
        proxy.release_requests()

        async with consumed.gateway(site):
            await put_alias(site, await id_of(site, "second"), "order:8")
            results = [await result_of(site, name) for name in ("first", "second")]
            await queue.until(0)
            await queue.publish(b"3", key="m3", ringback_link="nonsense")
            found = await until_events(site, 2, ended=True)
        await queue.until(0)

    assert results == [1, 2]
    assert sorted(one["state"] for one in found) == ["dead", "matched"]


@pytest.mark.thorough
async def test_nothing_is_acknowledged_while_the_disk_is_full(
    site: Site, consumed: Consumed, proxy: Proxy
) -> None:
    queue, through = consumed.queue, URL.replace(":5672", f":{proxy.port}")
    async with site.temporal():
        async with consumed.gateway(site, through) as gateway, site.worker():
            link, _ = await two_links(site)
            with no_room(gateway):
                await queue.publish(b"1", ringback_link=link)
                await queue.publish(b"no", ringback_link="nonsense")
                await gateway.line("messages wait")
                # The connection ends, and the broker has the messages again.
                proxy.hold_requests()
                proxy.cut()
                await queue.until(2)
                meanwhile = await site.callbacks()
                proxy.release_requests()
                await gateway.line("messages wait")
            result = await result_of(site, "first")
            (dead,) = await until_events(site, 1)
        await queue.until(0)

    assert {one.state for one in meanwhile} == {State.OPEN}
    assert result == 1
    assert dead["state"] == "dead"


async def test_consume_answers_and_the_gateway_delivers(site: Site, consumed: Consumed) -> None:
    queue = consumed.queue
    words = ringback("serve", "--no-queues", "--port", str(site.gateway_port))
    async with (
        site.temporal(),
        program(words, site.environment | consumed.environment()) as gateway,
    ):
        await gateway.line("ready http")
        async with site.worker():
            link, _ = await two_links(site)
            await queue.publish(b"1", ringback_link=link)
            await queue.publish(b'{"id": "7", "total": 3}')
            await put_alias(site, await id_of(site, "second"), "order:7")
            async with program(
                ringback("consume"), site.environment | consumed.environment()
            ) as consumer:
                await consumer.line("ready answers")
                results = [await result_of(site, name) for name in ("first", "second")]
                await consumer.interrupt()
        await queue.until(0)

    assert results == [1, 3]
    assert consumer.process.returncode == 0
    assert "queue connected" not in gateway.output
    assert "queue connected" in consumer.output


async def test_program_starts_and_goes_on_while_the_broker_is_away(
    site: Site, consumed: Consumed
) -> None:
    away = "amqp://ada:geheim@127.0.0.1:1/"
    async with site.temporal(), consumed.gateway(site, away) as gateway:
        await gateway.line("cannot consume a queue: answers")
        async with site.worker():
            link, _ = await two_links(site)
            reply = await site.post(link, 1)

    assert reply.status_code == 202
    assert "geheim" not in gateway.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "{path} has no queues; add a table [queues.NAME]"),
        ("[queues.q]\nurl = 'amqp://x'", "{path}: queues.q.queue: this key is missing"),
        (
            "[sources.s]\nprovider = 'githup'\nsecrets = ['env:A']\n[queues.q]\nurl = 'x://y'",
            "{path}: queues.q.url: Ringback reads URLs",
        ),
    ],
)
async def test_consume_does_not_start_with_queues_that_are_wrong(
    shared_site: Site, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "queues.toml"
    path.write_text(text, "utf-8")
    async with shared_site.gateway():
        pass

    ran = await Command(shared_site).alone("consume", RINGBACK_SOURCES_FILE=str(path))

    assert ran.code == 2
    assert said.format(path=path) in ran.err
    assert "Traceback" not in ran.err
