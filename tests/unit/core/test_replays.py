"""Replays of events: what may begin again, and with which events."""

import asyncio
from dataclasses import replace

import pytest

from ringback.core.aliases import AliasService
from ringback.core.events import LONGEST_REASON
from ringback.core.replays import ReplayService
from ringback.domain.callback import Callback
from ringback.domain.event import EventEnd, EventRecord, EventState
from ringback.domain.event_errors import CannotReplayError, UnknownEventError
from ringback.domain.ids import EventId
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests.contract.aliases import open_with
from tests.contract.events import HOUR, RUN, claim, delivery, event


@pytest.fixture
def replayed() -> list[str]:
    return []


@pytest.fixture
def service(store: SqlStore, replayed: list[str]) -> ReplayService:
    return ReplayService(
        store,
        AliasService(store, namespace="default"),
        namespace="default",
        on_replayed=lambda: replayed.append("one"),
    )


@pytest.fixture
async def lost(store: SqlStore, service: ReplayService, clock: ManualClock) -> EventRecord:
    """An event that waited too long."""
    waiting = event()
    await store.store_deliveries([delivery(waiting)])
    clock.advance(HOUR)
    (found,) = await claim(store)
    await store.end_events([EventEnd(found, EventState.UNMATCHED, "no callback got the alias")])
    return await service.get(waiting.id)


async def refused_by(callback: Callback, store: SqlStore, service: ReplayService) -> EventRecord:
    """Return an event that `callback` has refused."""
    refused = event()
    await store.store_deliveries([delivery(refused)])
    (found,) = await claim(store)
    await store.end_events([EventEnd(found, EventState.DEAD, "no number", callback.id)])
    return await service.get(refused.id)


async def test_replayed_event_waits_and_keeps_its_old_reason(
    service: ReplayService, lost: EventRecord, replayed: list[str]
) -> None:
    after = await service.replay(lost, [event("other", body=b"1")], by="k1")

    assert (after.event.id, after.event.alias, after.answer) == (lost.event.id, "other", b"1")
    assert after.event.state is EventState.WAITING
    assert after.event.reason == "replayed; it was unmatched: no callback got the alias"
    assert replayed == ["one"]


async def test_reason_of_an_event_that_still_means_nothing_is_the_new_one(
    service: ReplayService, lost: EventRecord
) -> None:
    after = await service.replay(lost, [event(None)], by="k1")
    again = await service.replay(after, [event(None)], by="k1")
    long = await service.replay(again, [replace(event(None), reason="x" * 2000)], by="k1")

    was = "no callback got the alias"
    assert after.event.state is EventState.IGNORED
    assert after.event.reason == f"no rule applies (replayed; it was unmatched: {was})"
    assert again.event.reason == "no rule applies (replayed; it was ignored: no rule applies)"
    assert long.event.reason == "x" * LONGEST_REASON


async def test_event_that_waits_or_is_matched_is_not_replayed(
    service: ReplayService, store: SqlStore, lost: EventRecord, clock: ManualClock
) -> None:
    waits = await service.replay(lost, [event()], by="k1")
    with pytest.raises(CannotReplayError, match="it is waiting"):
        await service.replay(waits, [event()], by="k1")
    clock.advance(HOUR)
    (found,) = await claim(store)
    await store.end_events([EventEnd(found, EventState.MATCHED)])

    with pytest.raises(CannotReplayError, match="it is matched"):
        await service.replay(await service.get(found.id), [event()], by="k1")


async def test_event_goes_to_another_callback_than_before_only_if_that_is_asked_for(
    service: ReplayService, store: SqlStore
) -> None:
    first = await open_with(store, RUN)
    record = await refused_by(first, store, service)
    await store.remove_alias(first.id, RUN, by="k1")
    second = await open_with(store, RUN)

    with pytest.raises(CannotReplayError, match=f"was for {first.id}.* leads to {second.id}"):
        await service.replay(record, [event()], by="k1")
    after = await service.replay(record, [event()], by="k1", to_current=True)

    assert after.event.state is EventState.WAITING


async def test_rule_that_was_corrected_may_lead_an_event_to_another_callback(
    service: ReplayService, store: SqlStore
) -> None:
    callback = await open_with(store, RUN)
    record = await refused_by(callback, store, service)
    await open_with(store, "other")

    to_another_alias = await service.replay(record, [event("other")], by="k1")

    assert to_another_alias.event.alias == "other"


async def test_event_is_replayed_if_nothing_has_its_alias_any_more(
    service: ReplayService, store: SqlStore
) -> None:
    callback = await open_with(store, RUN)
    record = await refused_by(callback, store, service)
    await store.remove_alias(callback.id, RUN, by="k1")

    after = await service.replay(record, [event()], by="k1")

    assert after.event.state is EventState.WAITING


async def test_one_of_two_replays_at_once_counts(
    service: ReplayService, lost: EventRecord, replayed: list[str]
) -> None:
    results = await asyncio.gather(
        *(service.replay(lost, [event()], by=by) for by in ("k1", "k2")), return_exceptions=True
    )

    (refused,) = [one for one in results if isinstance(one, CannotReplayError)]
    assert "somebody else" in str(refused)
    assert replayed == ["one"]


async def test_event_of_a_batch_gets_what_its_own_place_means_now(
    service: ReplayService, store: SqlStore
) -> None:
    batch = [event(None), event(None), event("c")]
    await store.store_deliveries([delivery(*batch)])
    second = await service.get(batch[1].id)

    after = await service.replay(second, [event("a"), event("b"), event("c")], by="k1")

    assert (after.event.id, after.event.alias) == (batch[1].id, "b")
    with pytest.raises(CannotReplayError, match="had 3 events, and `batch` selects 2"):
        await service.replay(await service.get(batch[0].id), [event(), event()], by="k1")


async def test_only_event_of_a_request_may_become_several(
    service: ReplayService, store: SqlStore, lost: EventRecord
) -> None:
    after = await service.replay(lost, [event("a"), event("b")], by="k1")

    assert (after.event.alias, after.siblings) == ("a", 2)
    assert [one.alias for one in await store.list_events("default", limit=9)] == ["b", "a"]


async def test_unknown_event_is_an_error(service: ReplayService) -> None:
    with pytest.raises(UnknownEventError, match="there is no event ev_x"):
        await service.get(EventId("ev_x"))
