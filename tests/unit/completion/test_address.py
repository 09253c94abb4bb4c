"""Addresses are checked before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.call import find_address
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.completion_errors import UnusableTokenError
from ringback.temporal.namespaces import OwnNamespace
from ringback.temporal.requests import Address

AWAY = RPCError("tcp connect error", RPCStatusCode.UNAVAILABLE, b"")


@dataclass
class Namespaces:
    """A client of one namespace, and the service that returns the namespace's id."""

    id: str = "first"
    is_away: bool = False
    asked: int = 0
    namespace: str = "default"
    now: list[float] = field(default_factory=lambda: [0.0])

    @property
    def workflow_service(self) -> "Namespaces":
        return self

    async def describe_namespace(self, _: object, **__: object) -> DescribeNamespaceResponse:
        self.asked += 1
        if self.is_away:
            raise AWAY
        response = DescribeNamespaceResponse()
        response.namespace_info.id = self.id
        return response

    def finder(self) -> "Finder":
        return Finder(OwnNamespace(cast("Client", self), monotonic=lambda: self.now[0]))


@dataclass
class Finder:
    """Finds addresses for one client."""

    own: OwnNamespace

    async def find(self, activity: Target) -> Address:
        return await find_address(activity, self.own)


def token(namespace_id: str) -> bytes:
    """Return a token of activity 1 in a namespace."""
    return bytes([10, len(namespace_id)]) + namespace_id.encode() + b"\x32\x011"


@pytest.fixture
def namespaces() -> Namespaces:
    return Namespaces()


async def test_ids_default_to_the_namespace_of_the_client(
    namespaces: Namespaces,
) -> None:
    finder = namespaces.finder()

    own = await finder.find(ActivityRef("1", "order-7"))
    other = await finder.find(ActivityRef("1", "order-7", "a-run", "other"))

    assert own.fields == {
        "namespace": "default",
        "workflow_id": "order-7",
        "run_id": "",
        "activity_id": "1",
    }
    assert (other.execution.namespace, own.is_fenced, other.is_fenced) == ("other", False, True)
    assert namespaces.asked == 0


async def test_token_is_sent_unchanged_and_the_namespace_is_described_once(
    namespaces: Namespaces,
) -> None:
    finder = namespaces.finder()

    found = [await finder.find(token("first")) for _ in range(3)]

    assert {one.task_token for one in found} == {token("first")}
    assert found[0].fields == {"namespace": "default", "task_token": token("first")}
    assert namespaces.asked == 1


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_token_may_be_any_kind_of_bytes(
    namespaces: Namespaces, kind: Callable[[bytes], Target]
) -> None:
    found = await namespaces.finder().find(kind(token("first")))

    assert found == await namespaces.finder().find(token("first"))


async def test_token_of_another_namespace_is_rejected(namespaces: Namespaces) -> None:
    with pytest.raises(UnusableTokenError, match="'default'"):
        await namespaces.finder().find(token("other"))


async def test_tokens_of_another_namespace_are_rejected_without_a_request_for_each(
    namespaces: Namespaces,
) -> None:
    finder = namespaces.finder()

    for _ in range(3):
        with pytest.raises(UnusableTokenError):
            await finder.find(token("other"))

    assert namespaces.asked == 1


async def test_recreated_namespace_is_found_again(namespaces: Namespaces) -> None:
    finder = namespaces.finder()
    await finder.find(token("first"))
    namespaces.id = "second"
    namespaces.now[0] += timedelta(seconds=5).total_seconds()

    found: Any = await finder.find(token("second"))

    assert found.claim.namespace_id == "second"


async def test_token_is_sent_when_the_namespace_cannot_be_described(
    namespaces: Namespaces,
) -> None:
    namespaces.is_away = True
    finder = namespaces.finder()

    found = [await finder.find(token("other")) for _ in range(3)]

    assert found[0].task_token == token("other")
    assert namespaces.asked == 1
