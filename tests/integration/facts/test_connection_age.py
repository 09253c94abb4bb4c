"""A server closes each connection after some time, and requests on it fail."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from ringback.temporal.requests import describe_namespace
from ringback.temporal.rpc import Request, in_time, to_request
from tests.own_temporal import own_temporal

pytestmark = [pytest.mark.server, pytest.mark.thorough]

SHORT_LIVED = {
    "frontend.keepAliveMaxConnectionAge": '"400ms"',
    "frontend.keepAliveMaxConnectionAgeGrace": '"400ms"',
    "frontend.namespaceRPS": "100000",
    "frontend.namespaceRPS.visibility": "100000",
    "frontend.rps": "100000",
}
SENDERS = 32


@pytest.fixture
async def short_lived() -> AsyncIterator[Client]:
    """A client of a server that closes each connection after less than a second."""
    async with own_temporal(SHORT_LIVED) as client:
        yield client


async def fails(request: Request[object]) -> bool:
    try:
        await in_time(request)
    except RPCError:
        return True
    return False


async def test_plain_request_fails_on_a_closed_connection_and_a_read_does_not(
    short_lived: Client,
) -> None:
    read = describe_namespace(short_lived.workflow_service, short_lived.namespace)
    message = DescribeNamespaceRequest(namespace=short_lived.namespace)
    plain = to_request(short_lived.workflow_service.describe_namespace, message)
    failed: Counter[str] = Counter()

    async def send() -> None:
        while not failed["plain"]:
            failed["plain"] += await fails(plain)
            failed["read"] += await fails(read)

    await asyncio.gather(*(send() for _ in range(SENDERS)))

    assert failed["read"] == 0
