"""What an operator can do with a callback, and what is rejected."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.core.operations import OperatorService, link_to
from ringback.domain.callback import State
from ringback.domain.errors import CannotExtendError, NotParkedError, UnknownCallbackError
from ringback.domain.link import Verb
from ringback.domain.outcome import Completed
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.unit.core.callbacks import open_and_answer, reload

HOUR = timedelta(hours=1)


@pytest.fixture
def operator_service(store: SqlStore) -> OperatorService:
    return OperatorService(store, store, store, links=store)


async def test_extension_counts_from_now(
    operator_service: OperatorService, store: SqlStore, clock: ManualClock
) -> None:
    asking = factories.request(deadline=HOUR, on_deadline=Completed(b"0"))
    (callback,) = await store.open([asking])
    clock.advance(HOUR / 2)

    extended = await operator_service.extend(callback.id, 2 * HOUR)

    assert extended.deadline_at == clock.now() + 2 * HOUR


async def test_extend_without_own_deadline_is_rejected_with_the_command_to_use(
    operator_service: OperatorService, store: SqlStore, clock: ManualClock
) -> None:
    (callback,) = await store.open([factories.request(attempt_timeout_at=clock.now() + HOUR)])

    with pytest.raises(CannotExtendError, match="update-options"):
        await operator_service.extend(callback.id, HOUR)


async def test_answered_callback_cannot_be_extended(
    operator_service: OperatorService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await open_and_answer(store, activities, deadline=HOUR)

    with pytest.raises(CannotExtendError, match="accepted, not open"):
        await operator_service.extend(callback.id, HOUR)


async def test_redelivered_outcome_is_due_again(
    operator_service: OperatorService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await open_and_answer(store, activities)
    await store.settle([factories.settlement(callback, State.PARKED)])

    again = await operator_service.redeliver(callback.id)

    assert again.state is State.ACCEPTED
    assert await store.next_due() == timedelta(0)


async def test_only_a_parked_outcome_can_be_redelivered(
    operator_service: OperatorService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await open_and_answer(store, activities)

    with pytest.raises(NotParkedError, match="accepted, not parked"):
        await operator_service.redeliver(callback.id)

    assert (await reload(store, callback)).state is State.ACCEPTED


async def test_view_of_an_unknown_callback_is_unknown(operator_service: OperatorService) -> None:
    with pytest.raises(UnknownCallbackError):
        await operator_service.extend(factories.callback_id(), HOUR)
    with pytest.raises(UnknownCallbackError):
        await operator_service.redeliver(factories.callback_id())


async def test_revoked_links_are_invalid_and_new_ones_valid(
    operator_service: OperatorService, store: SqlStore
) -> None:
    (callback,) = await store.open([factories.request()])
    old = link_to(callback, key_id="k1")

    revoked = await operator_service.revoke(callback.id)

    assert not revoked.accepts_serial(old.serial)
    assert revoked.accepts_serial(link_to(revoked, key_id="k1").serial)


async def test_revoke_of_an_unknown_callback_is_unknown(operator_service: OperatorService) -> None:
    with pytest.raises(UnknownCallbackError, match="ringback list"):
        await operator_service.revoke(factories.callback_id())


async def test_new_link_never_allows_more_than_the_activitys_link(store: SqlStore) -> None:
    asking = factories.request()
    (callback,) = await store.open([replace(asking, verbs=frozenset({Verb.VIEW, Verb.COMPLETE}))])
    wanted = frozenset({Verb.VIEW, Verb.FAIL})

    narrower = link_to(callback, key_id="k2", verbs=wanted, until=factories.NOW)
    longer = link_to(callback, key_id="k2", until=callback.link_expires_at + HOUR)

    assert (narrower.verbs, narrower.expires_at) == (frozenset({Verb.VIEW}), factories.NOW)
    assert (longer.verbs, longer.expires_at) == (callback.verbs, callback.link_expires_at)
    assert (longer.callback_id, longer.key_id) == (callback.id, "k2")
