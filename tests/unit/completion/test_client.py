"""What is told to an activity is checked before it goes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse
from temporalio.client import Client
from temporalio.converter import DataConverter

from ringback.completion.client import AsyncCompletionClient
from ringback.completion.refs import ActivityRef

REF = ActivityRef("1", "order-7", "a-run")


@dataclass
class Server:
    """A client of a server that accepts everything, and keeps the names of what it is sent."""

    data_converter: DataConverter = DataConverter.default
    namespace: str = "default"
    identity: str = "me"
    sent: list[str] = field(default_factory=list)

    @property
    def workflow_service(self) -> "Server":
        return self

    async def describe_namespace(self, _: object, **__: object) -> DescribeNamespaceResponse:
        return DescribeNamespaceResponse()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(_: object, **__: object) -> None:
            self.sent.append(name)

        return call

    def client(self) -> AsyncCompletionClient:
        return AsyncCompletionClient(cast("Client", self))


@pytest.mark.parametrize("error", ["the bank said no", ValueError])
async def test_what_is_no_exception_is_no_failure(error: Any) -> None:
    server = Server()

    with pytest.raises(TypeError, match="an activity fails with an exception"):
        await server.client().fail(REF, error)

    assert server.sent == []
