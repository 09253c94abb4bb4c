"""A service that knows nothing of Temporal ends the activity, by the link that it was given."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest

from tests.acceptance.programs import Program, free_port
from tests.acceptance.site import Site
from tests.examples.conftest import RunExample
from tests.webhook_receiver import listening

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "external_callback.py"


@pytest.fixture(scope="module")
def payment_service() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module", autouse=True)
async def service(run_example: RunExample, payment_service: str) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "service", PAYMENT_SERVICE=payment_service) as running:
        await running.line("Service is running")
        yield running


@pytest.fixture
async def gateway(site: Site) -> AsyncIterator[Program]:
    async with site.gateway() as running:
        yield running


@pytest.fixture
async def worker(
    run_example: RunExample,
    payment_service: str,
    gateway: Program,  # noqa: ARG001 - a worker opens its callbacks there
) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "worker", PAYMENT_SERVICE=payment_service) as running:
        await running.line("Worker is running")
        yield running


@pytest.fixture
def order() -> str:
    return str(uuid4())


@pytest.mark.usefixtures("worker")
async def test_payment_returns_the_receipt_of_the_callback(
    run_example: RunExample, service: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "pay", order, "250") as paying:
        code = await paying.end()
        told = await service.line(f"order {order}: called back")

    assert paying.lines == [f"paid 250 euros, receipt r-{order}"]
    assert code == 0
    assert told.endswith(" 202")


async def test_service_keeps_the_query_of_its_link(
    service: Program, payment_service: str, order: str
) -> None:
    async with listening() as receiver, httpx2.AsyncClient(verify=False) as http:
        payment = {"order": order, "euros": 250, "notify": receiver.url}
        await http.post(
            f"{payment_service}/payments", json=payment, headers={"Idempotency-Key": order}
        )
        request = await receiver.next()
        await service.line(f"order {order}: called back, 200")

    assert request.line == "POST /told/complete?key=hush HTTP/1.1"


@pytest.mark.thorough
@pytest.mark.usefixtures("worker")
async def test_declined_payment_is_not_retried(
    run_example: RunExample, service: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "pay", order, "2000") as paying:
        code = await paying.end()

    assert paying.lines == ["not paid: declined (Declined)"]
    assert code == 1
    assert service.output.count(f"order {order}: called back") == 1


@pytest.mark.thorough
@pytest.mark.usefixtures("worker")
async def test_service_retries_while_the_gateway_is_down(
    site: Site, gateway: Program, run_example: RunExample, service: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "pay", order, "250") as paying:
        with service.frozen():
            await site.until(lambda found: any(order in str(one.options.title) for one in found))
            await gateway.interrupt()
        await service.line(f"order {order}: no reply yet")
        async with site.gateway():
            await service.line(f"order {order}: called back")
            code = await paying.end()

    assert code == 0
    assert paying.lines == [f"paid 250 euros, receipt r-{order}"]
