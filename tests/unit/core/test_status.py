"""The status shows what Ringback knows, and whether Temporal confirmed it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from ringback.core.status import StatusService, serialize_callback
from ringback.domain.activity_state import Pending
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import RefusedByTemporalError, UnknownCallbackError
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities
from tests import factories


@pytest.fixture
def status_service(store: SqlStore, activities: FakeActivities) -> StatusService:
    return StatusService(store, activities)


@pytest.fixture
async def callback(store: SqlStore, activities: FakeActivities) -> Callback:
    (callback,) = await store.open([factories.request()])
    activities.schedule(callback.ref)
    return callback


async def test_open_callback_is_shown_with_its_activity(
    status_service: StatusService, callback: Callback
) -> None:
    seen = await status_service.view(callback.id)

    assert seen.is_live
    assert seen.pending is not None


@pytest.mark.parametrize("every", [None, timedelta(minutes=1)])
async def test_callback_is_shown_with_the_polls_of_its_sender(
    store: SqlStore, every: timedelta | None
) -> None:
    request = factories.request(poll=True, poll_every=every, deadline=timedelta(minutes=1))
    (callback,) = await store.open([request])

    assert serialize_callback(callback)["poll"] == {
        "every": None if every is None else 60.0,
        "due_at": callback.opened_at + timedelta(minutes=1),
        "requested_at": None,
        "is_over": False,
    }


async def test_status_is_not_live_while_temporal_is_away(
    status_service: StatusService, activities: FakeActivities, callback: Callback
) -> None:
    activities.is_reachable = False

    seen = await status_service.view(callback.id)

    assert (seen.is_live, seen.pending) == (False, None)


async def test_answered_callback_is_shown_without_its_activity(
    status_service: StatusService, store: SqlStore, activities: FakeActivities, callback: Callback
) -> None:
    await store.accept([factories.answer(callback.id)])
    activities.is_reachable = False

    seen = await status_service.view(callback.id)

    assert seen.callback.accepted is not None


@pytest.mark.parametrize("is_reachable", [True, False])
@pytest.mark.parametrize("schema", [None, '{"type":"boolean"}'])
async def test_open_callback_is_shown_with_its_result_schema(
    status_service: StatusService,
    store: SqlStore,
    activities: FakeActivities,
    *,
    schema: str | None,
    is_reachable: bool,
) -> None:
    (callback,) = await store.open([factories.request(result_schema=schema)])
    activities.schedule(callback.ref)
    activities.is_reachable = is_reachable

    assert (await status_service.view(callback.id)).result_schema == schema


async def test_view_of_an_unknown_callback_is_unknown(status_service: StatusService) -> None:
    with pytest.raises(UnknownCallbackError):
        await status_service.view(factories.callback_id())


class ActivitiesOfAMissingNamespace(FakeActivities):
    """Temporal rejects the poll."""

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        msg = f"Namespace {refs[0].namespace} is not found."
        raise RefusedByTemporalError(msg)


async def test_rejected_poll_means_that_the_status_is_not_live(
    store: SqlStore, callback: Callback
) -> None:
    seen = await StatusService(store, ActivitiesOfAMissingNamespace()).view(callback.id)

    assert (seen.is_live, seen.pending) == (False, None)
