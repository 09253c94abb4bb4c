"""The contract of every store for aliases."""

import random

import pytest

from ringback.domain.alias import MOST_ALIASES
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import MalformedRequestError
from ringback.domain.event_errors import AliasInUseError
from ringback.domain.ids import CallbackId
from ringback.domain.options import Attempts
from ringback.domain.outcome import Completed, Failed
from ringback.ports.aliases import AliasConflictsError, AliasOwner
from ringback.ports.store import CallbackQuery
from tests import factories
from tests.contract.stores import (
    Store,
    found,
    kinds,
    try_to_move,
)

RUN = "github:run:42"
ALL = frozenset(State)
STEPS = ["open", "add", "remove", "accept", "apply", "expire"]


async def open_with(store: Store, *aliases: str, **facts: object) -> Callback:
    request = factories.request(aliases=aliases, **facts)  # type: ignore[arg-type]  # - any facts
    (callback,) = await store.open([request])
    return callback


async def moved(store: Store, state: State, callback: Callback) -> Callback:
    if state is not State.EXPIRED:
        await store.accept([factories.answer(callback.id)])
    await try_to_move(store, await found(store, callback.id), state)
    return await found(store, callback.id)


async def owner_of(store: Store, alias: str) -> AliasOwner | None:
    return (await store.find_aliases("default", [alias])).get(alias)


async def refused(store: Store, *aliases: str, **facts: object) -> Exception:
    with pytest.raises(AliasConflictsError) as failed:
        await open_with(store, *aliases, **facts)
    (error,) = failed.value.errors.values()
    return error


async def ids(store: Store, alias: str, states: frozenset[State] = ALL) -> list[CallbackId]:
    page = await store.page(CallbackQuery(states=states, alias=alias), after=None, limit=10)
    return [one.id for one in page]


class AliasesContract:
    async def test_opened_callback_has_its_aliases_and_is_found_by_each(self, store: Store) -> None:
        callback = await open_with(store, RUN, "order:17")

        assert callback.options.aliases == (RUN, "order:17")
        assert callback == await found(store, callback.id)
        wanted = AliasOwner(callback.id, callback.ref.workflow_id, None)
        both = await store.find_aliases("default", [RUN, "order:17", "order:18"])
        assert both == {RUN: wanted, "order:17": wanted}
        (opened,) = await store.audit_trail(callback.id)
        assert opened.facts == {"attempt": 1, "aliases": [RUN, "order:17"]}

    async def test_second_opening_with_an_alias_in_use_stores_nothing(self, store: Store) -> None:
        owner = await open_with(store, RUN)
        ref = factories.activity_ref()

        error = await refused(store, "free", RUN, ref=ref)

        assert isinstance(error, AliasInUseError)
        assert (error.alias, error.callback_id) == (RUN, owner.id)
        assert error.workflow_id == owner.ref.workflow_id
        assert await owner_of(store, "free") is None
        assert await ids(store, "free") == []
        query = CallbackQuery(states=ALL, workflow_id=ref.workflow_id)
        assert await store.page(query, after=None, limit=9) == []

    async def test_conflict_names_each_request_of_a_batch_and_stores_none_of_them(
        self, store: Store
    ) -> None:
        await open_with(store, RUN)
        good, bad, worse = (
            factories.request(aliases=aliases) for aliases in [("a",), ("b", RUN), ("a",)]
        )

        with pytest.raises(AliasConflictsError) as failed:
            await store.open([good, bad, worse])

        assert failed.value.errors.keys() == {bad.id, worse.id}
        assert await store.find([good.id, bad.id, worse.id]) == {}

    async def test_callbacks_of_two_namespaces_may_have_one_alias(self, store: Store) -> None:
        here = await open_with(store, RUN)
        there = await open_with(store, RUN, ref=factories.activity_ref(namespace="other"))

        owner = await owner_of(store, RUN)
        (other,) = (await store.find_aliases("other", [RUN])).values()

        assert owner is not None
        assert (owner.callback_id, other.callback_id) == (here.id, there.id)

    async def test_aliases_are_compared_character_by_character(self, store: Store) -> None:
        texts = ["Order", "order", "caf\u00e9", "cafe\u0301", "a/b?c=%2F", "%", "_", "\U0001f514"]
        for text in texts:
            await open_with(store, text)

        owners = await store.find_aliases("default", texts)

        assert len({one.callback_id for one in owners.values()}) == len(texts)

    async def test_later_attempt_keeps_its_aliases_and_adds_new_ones(self, store: Store) -> None:
        ref = factories.activity_ref()
        first = await open_with(store, RUN, ref=ref)

        again = await open_with(store, RUN, "run:43", ref=ref, attempt=2)
        third = await open_with(store, ref=ref, attempt=3)

        assert again.id == first.id
        assert third.options.aliases == again.options.aliases == (RUN, "run:43")
        assert third == await found(store, first.id)
        added = [
            one for one in await store.audit_trail(first.id) if one.kind.value == "alias added"
        ]
        assert [one.facts for one in added] == [{"alias": "run:43"}]
        assert await ids(store, "run:43") == [first.id]

    async def test_same_attempt_that_opens_again_adds_its_new_alias(self, store: Store) -> None:
        ref = factories.activity_ref()
        await open_with(store, ref=ref)

        again = await open_with(store, RUN, ref=ref)

        assert again == await found(store, again.id)
        assert again.options.aliases == (RUN,)

    async def test_later_attempt_with_an_alias_in_use_changes_nothing(self, store: Store) -> None:
        await open_with(store, RUN)
        ref = factories.activity_ref()
        first = await open_with(store, ref=ref)

        error = await refused(store, RUN, ref=ref, attempt=2)

        assert isinstance(error, AliasInUseError)
        assert await found(store, first.id) == first

    async def test_attempt_of_an_answered_callback_needs_no_alias(self, store: Store) -> None:
        await open_with(store, RUN)
        ref = factories.activity_ref()
        first = await open_with(store, ref=ref)
        await store.accept([factories.answer(first.id)])

        again = await open_with(store, RUN, ref=ref, attempt=2)

        assert (again.id, again.options.aliases) == (first.id, ())

    @pytest.mark.parametrize("state", [State.APPLIED, State.SUPERSEDED, State.EXPIRED])
    async def test_end_of_a_callback_frees_its_aliases(self, store: Store, state: State) -> None:
        ended = await moved(store, state, await open_with(store, RUN, "b"))
        freed = await owner_of(store, RUN)

        taker = await open_with(store, RUN)

        assert freed is not None
        assert freed.callback_id == ended.id
        assert freed.closed_at is not None
        assert await owner_of(store, RUN) == AliasOwner(taker.id, taker.ref.workflow_id, None)
        last, of_end = (await store.audit_trail(ended.id))[-1], (await kinds(store, ended.id))[-2]
        assert (last.kind, last.facts) == (AuditKind.ALIASES_FREED, {"aliases": [RUN, "b"]})
        assert of_end.value == state.value
        assert last.at == freed.closed_at

    @pytest.mark.parametrize("state", [State.ACCEPTED, State.PARKED])
    async def test_answered_callback_has_its_aliases_until_it_ends(
        self, store: Store, state: State
    ) -> None:
        callback = await moved(store, state, await open_with(store, RUN))

        error = await refused(store, RUN)
        owner = await owner_of(store, RUN)

        assert isinstance(error, AliasInUseError)
        assert owner is not None
        assert (owner.callback_id, owner.closed_at) == (callback.id, None)

    async def test_new_callback_of_an_activity_takes_over_its_aliases(self, store: Store) -> None:
        ref = factories.activity_ref()
        first = await open_with(store, RUN, ref=ref, attempts=Attempts.CURRENT)

        second = await open_with(store, RUN, ref=ref, attempt=2, attempts=Attempts.CURRENT)

        owner = await owner_of(store, RUN)
        assert owner is not None
        assert owner.callback_id == second.id != first.id
        assert await ids(store, RUN) == [first.id, second.id]

    async def test_retry_of_a_parked_failure_takes_over_its_aliases(self, store: Store) -> None:
        ref = factories.activity_ref()
        first = await open_with(store, RUN, ref=ref)
        await store.accept([factories.answer(first.id, Failed("no"))])
        await try_to_move(store, await found(store, first.id), State.PARKED)

        second = await open_with(store, RUN, ref=ref, attempt=2)
        owner = await owner_of(store, RUN)
        await store.redeliver(first.id)

        assert owner is not None
        assert owner.callback_id == second.id != first.id
        assert owner == await owner_of(store, RUN)
        assert isinstance(await refused(store, RUN), AliasInUseError)

    async def test_added_alias_leads_to_the_callback(self, store: Store) -> None:
        callback = await open_with(store, "order:17")

        changed = await store.add_alias(callback.id, RUN, by="key_1")

        assert changed == await found(store, callback.id)
        assert changed.options.aliases == ("order:17", RUN)
        assert await ids(store, RUN) == [callback.id]
        last = (await store.audit_trail(callback.id))[-1]
        assert (last.kind, last.facts) == (
            AuditKind.ALIAS_ADDED,
            {"alias": RUN, "by": "key_1"},
        )

    async def test_adding_an_alias_again_changes_nothing(self, store: Store) -> None:
        callback = await open_with(store, RUN)

        again = await store.add_alias(callback.id, RUN)

        assert again == callback
        assert await kinds(store, callback.id) == [AuditKind.OPENED]

    async def test_alias_in_use_cannot_be_added(self, store: Store) -> None:
        owner = await open_with(store, RUN)
        other = await open_with(store, "b")

        with pytest.raises(AliasInUseError) as failed:
            await store.add_alias(other.id, RUN)

        assert failed.value.callback_id == owner.id
        assert await found(store, other.id) == other

    async def test_ended_callback_gets_no_alias(self, store: Store) -> None:
        ended = await moved(store, State.EXPIRED, await open_with(store))

        changed = await store.add_alias(ended.id, RUN)

        assert changed == ended
        assert await owner_of(store, RUN) is None

    async def test_unknown_callback_has_no_aliases_to_change(self, store: Store) -> None:
        unknown = factories.callback_id()

        assert await store.add_alias(unknown, RUN) is None
        assert await store.remove_alias(unknown, RUN) is None

    async def test_callback_has_a_limited_number_of_aliases(self, store: Store) -> None:
        ref = factories.activity_ref()
        most = [f"alias-{number}" for number in range(MOST_ALIASES)]
        callback = await open_with(store, *most, ref=ref)

        with pytest.raises(MalformedRequestError, match="at most 20 aliases"):
            await store.add_alias(callback.id, RUN)
        error = await refused(store, RUN, ref=ref, attempt=2)

        assert isinstance(error, MalformedRequestError)
        assert await found(store, callback.id) == callback

    async def test_removed_alias_is_free_at_once(self, store: Store) -> None:
        callback = await open_with(store, RUN, "b")

        changed = await store.remove_alias(callback.id, RUN, by="key_1")
        removed = await owner_of(store, RUN)
        again = await store.remove_alias(callback.id, RUN)
        taker = await open_with(store, RUN)

        assert changed == again == await found(store, callback.id)
        assert changed is not None
        assert changed.options.aliases == ("b",)
        assert removed is None
        last = (await store.audit_trail(callback.id))[-1]
        assert (last.kind, last.facts) == (
            AuditKind.ALIAS_REMOVED,
            {"alias": RUN, "by": "key_1"},
        )
        assert await ids(store, RUN) == [taker.id]

    async def test_removed_alias_can_be_added_again(self, store: Store) -> None:
        callback = await open_with(store, RUN)
        await store.remove_alias(callback.id, RUN)

        changed = await store.add_alias(callback.id, RUN)

        assert changed == callback

    async def test_search_by_alias_finds_earlier_owners_too(self, store: Store) -> None:
        first = await moved(store, State.APPLIED, await open_with(store, RUN, tags=("ci",)))
        second = await moved(store, State.EXPIRED, await open_with(store, RUN))
        third = await open_with(store, RUN, tags=("ci",))
        await open_with(store, "b", tags=("ci",))

        tagged = await store.page(
            CallbackQuery(states=ALL, alias=RUN, tag="ci"), after=first.id, limit=10
        )

        assert await ids(store, RUN) == [first.id, second.id, third.id]
        assert await ids(store, RUN, frozenset({State.APPLIED})) == [first.id]
        assert await ids(store, RUN, CallbackQuery().states) == [third.id]
        assert [one.id for one in tagged] == [third.id]

    @pytest.mark.parametrize("seed", range(6))
    async def test_alias_has_at_most_one_owner_whatever_happens(
        self, store: Store, seed: int
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - not for cryptography
        steps = [
            (chance.choice(STEPS), chance.randrange(4), chance.choice("ab")) for _ in range(40)
        ]
        space = factories.activity_ref().workflow_id
        opened: list[CallbackId] = []
        holders: dict[str, CallbackId] = {}
        for step, number, name in steps:
            alias = f"{space}:{name}"
            one = opened[number % len(opened)] if opened else None
            if step == "open":
                request = factories.request(aliases=(alias,))
                try:
                    await store.open([request])
                    assert alias not in holders
                    opened.append(request.id)
                    holders[alias] = request.id
                except AliasConflictsError as exc:
                    (error,) = exc.errors.values()
                    assert isinstance(error, AliasInUseError)
                    assert error.callback_id == holders[alias]
            elif one is not None:
                await self._take(step, store, one, alias, holders)
                if (await found(store, one)).state not in {State.OPEN, State.ACCEPTED}:
                    holders = {each: has for each, has in holders.items() if has != one}
            for each in ("a", "b"):
                owner = await owner_of(store, f"{space}:{each}")
                in_use = owner.callback_id if owner and owner.closed_at is None else None
                assert in_use == holders.get(f"{space}:{each}")

    async def _take(
        self, step: str, store: Store, one: CallbackId, alias: str, holders: dict[str, CallbackId]
    ) -> None:
        callback = await found(store, one)
        is_open = callback.state in {State.OPEN, State.ACCEPTED}
        match step:
            case "add" if holders.get(alias, one) != one and is_open:
                with pytest.raises(AliasInUseError):
                    await store.add_alias(one, alias)
            case "add":
                await store.add_alias(one, alias)
                if is_open:
                    holders[alias] = one
            case "remove" if holders.get(alias) == one:
                await store.remove_alias(one, alias)
                del holders[alias]
            case "accept":
                await store.accept([factories.answer(one, Completed(b"1"))])
            case "apply" if callback.accepted is not None:
                await store.settle([factories.settlement(callback)])
            case "expire":
                await store.expire([factories.expiry(callback)])
