"""Whether a server is the one that issued a callback's task token."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.api.namespace.v1 import NamespaceInfo
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse
from temporalio.service import WorkflowService

from ringback.domain.callback import Callback
from ringback.domain.errors import TemporalMisconfiguredError
from ringback.temporal.namespaces import Namespaces
from ringback.testing import ManualClock
from tests import factories
from tests.unit.temporal.test_token import NAMESPACE_ID, OF_A_WORKFLOW


@dataclass
class Server:
    """A server with one namespace; counts the requests."""

    namespace_id: str = NAMESPACE_ID
    asked: list[str] = field(default_factory=list)

    async def describe_namespace(self, request: Any, **_: object) -> DescribeNamespaceResponse:
        self.asked.append(request.namespace)
        info = NamespaceInfo(id=self.namespace_id)
        return DescribeNamespaceResponse(namespace_info=info)


async def with_token(token: bytes | None) -> Callback:
    return await factories.opened(factories.request(task_token=token))


async def test_namespace_of_another_id_is_a_wrong_server_until_the_right_one_is_back() -> None:
    server, clock = Server("another"), ManualClock()
    namespaces = Namespaces(
        cast("WorkflowService", server), monotonic=lambda: clock.monotonic().total_seconds()
    )
    callback = await with_token(OF_A_WORKFLOW)

    for _ in range(2):
        with pytest.raises(TemporalMisconfiguredError, match=NAMESPACE_ID):
            await namespaces.check(callback)
    server.namespace_id = NAMESPACE_ID
    clock.advance(timedelta(seconds=1))
    await namespaces.check(callback)

    assert server.asked == ["default"] * 2


@pytest.mark.parametrize("token", [None, b"of another kind"])
async def test_callback_without_a_readable_token_fits_every_server(token: bytes | None) -> None:
    server = Server("another")

    await Namespaces(cast("WorkflowService", server)).check(await with_token(token))

    assert server.asked == []
