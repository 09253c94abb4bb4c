"""What every store promises to those who look."""

from ringback.domain.callback import State
from tests.contract.stores import Store, in_state, opened, settled


class NobodyTells:
    async def test_a_store_of_one_machine_has_no_news_to_follow(self, store: Store) -> None:
        told: list[object] = []

        await store.follow(on_accepted=lambda: told.append(None), on_settled=told.append)
        await settled(store, State.APPLIED)

        assert told == []


class Looking:
    async def test_pages_go_through_all_callbacks_of_some_states(self, store: Store) -> None:
        waiting = [(await opened(store)).id for _ in range(5)]
        over = await in_state(store, State.EXPIRED)
        applied = await settled(store, State.APPLIED)
        is_open = frozenset({State.OPEN})

        first = await store.page(states=is_open, after=None, limit=3)
        rest = await store.page(states=is_open, after=first[-1].id, limit=3)
        ended = await store.page(
            states=frozenset({State.EXPIRED, State.APPLIED}), after=None, limit=3
        )

        assert [callback.id for callback in [*first, *rest]] == waiting
        assert {callback.id for callback in ended} == {over.id, applied.id}

    async def test_a_parked_callback_is_listed_with_what_has_not_ended(self, store: Store) -> None:
        callback = await settled(store, State.PARKED)

        found = await store.page(states=frozenset({State.PARKED}), after=None, limit=3)

        assert [one.id for one in found] == [callback.id]
