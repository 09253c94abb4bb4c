"""The page's programs do what the page says, and a "no" never fulfills the order."""

import importlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import ActivityRef, AsyncCompletionClient
from tests.polling import pause

pytestmark = pytest.mark.server

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "three-steps.md"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporal_address: str) -> ModuleType:
    """The Python of the page, as a module."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "howto_three_steps.py").write_text("\n\n".join(blocks))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    return importlib.import_module("howto_three_steps")


@pytest.fixture
def order_id() -> str:
    return str(uuid4())


@pytest.fixture
async def ordered(
    page: ModuleType, client: Client, order_id: str
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """A workflow whose order waits for a decision."""
    async with Worker(
        client,
        task_queue=order_id,
        workflows=[page.OrderWorkflow],
        activities=[page.ask_by_token, page.fulfill_order],
    ):
        handle = await client.start_workflow(
            page.OrderWorkflow.run, page.Order(order_id, 250), id=order_id, task_queue=order_id
        )
        while order_id not in page.PENDING:
            await pause()
        yield handle


async def test_approved_order_is_fulfilled(
    page: ModuleType, ordered: WorkflowHandle[Any, Any], order_id: str
) -> None:
    await page.decide(order_id, approved=True)

    assert await ordered.result() == f"order {order_id} is on its way"


async def test_denial_as_a_failure_fulfills_nothing(
    page: ModuleType, ordered: WorkflowHandle[Any, Any], order_id: str
) -> None:
    await page.decide(order_id, approved=False)

    with pytest.raises(WorkflowFailureError) as raised:
        await ordered.result()
    assert isinstance(raised.value.cause, ActivityError)
    assert isinstance(raised.value.cause.cause, ApplicationError)
    assert raised.value.cause.cause.type == "ApprovalDenied"


async def test_denial_as_a_result_fulfills_nothing(
    ordered: WorkflowHandle[Any, Any], client: Client, order_id: str
) -> None:
    ref = ActivityRef("1", order_id, ordered.result_run_id)

    await AsyncCompletionClient(client).complete(ref, {"approved": False})

    assert await ordered.result() == f"order {order_id} was denied"
