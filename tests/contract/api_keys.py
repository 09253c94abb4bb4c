"""The contract of every store for API keys and revoked links."""

from ringback.domain.api_key import ApiKey, KeyId, Role, digest_secret
from ringback.domain.audit import AuditKind
from ringback.domain.callback import State
from ringback.ports.access import NewKey
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import SECOND, Store, entries_of, found, in_state, opened


def new_key(name: str, role: Role = Role.VIEWER) -> NewKey:
    return NewKey(KeyId(name), f"for {name}", role, digest_secret(name))


class ApiKeysContract:
    async def test_added_key_is_found_unchanged(self, store: Store, clock: ManualClock) -> None:
        added = await store.add_key(new_key("a", Role.OPERATOR))

        kept = await store.find_key(KeyId("a"))

        assert added == kept
        assert kept == ApiKey(KeyId("a"), "for a", Role.OPERATOR, digest_secret("a"), clock.now())

    async def test_unknown_key_is_not_found(self, store: Store) -> None:
        assert await store.find_key(KeyId("a")) is None
        assert await store.revoke_key(KeyId("a")) is None

    async def test_second_revocation_keeps_first_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.add_key(new_key("a"))
        clock.advance(SECOND)

        revoked = await store.revoke_key(KeyId("a"))
        clock.advance(SECOND)
        again = await store.revoke_key(KeyId("a"))

        assert revoked is not None
        assert revoked.revoked_at == clock.now() - SECOND
        assert again == revoked == await store.find_key(KeyId("a"))

    async def test_all_keys_are_listed_oldest_first(self, store: Store, clock: ManualClock) -> None:
        for name in ("b", "a"):
            await store.add_key(new_key(name))
            clock.advance(SECOND)
        await store.revoke_key(KeyId("b"))

        assert [key.id for key in await store.all_keys()] == ["b", "a"]

    async def test_revocation_changes_only_the_serial(self, store: Store) -> None:
        callback = await opened(store)
        other = await opened(store)

        revoked = await store.revoke(callback.id)
        again = await store.revoke(callback.id)

        assert revoked is not None
        assert again is not None
        assert (revoked.link_serial, again.link_serial) == (2, 3)
        assert again == await found(store, callback.id)
        assert (revoked.id, revoked.state) == (callback.id, State.OPEN)
        assert await found(store, other.id) == other
        entries = await entries_of(store, callback.id, AuditKind.REVOKED)
        assert [entry.facts for entry in entries] == [{"serial": 2}, {"serial": 3}]

    async def test_link_entries_name_the_api_key(self, store: Store) -> None:
        callback = await opened(store)

        await store.revoke(callback.id, by="k1")
        await store.record_link(callback.id, {"allows": ["view"], "by": "k2"})
        await store.record_link(factories.callback_id(), {"by": "k2"})

        (revoked,) = await entries_of(store, callback.id, AuditKind.REVOKED)
        (made,) = await entries_of(store, callback.id, AuditKind.LINK_CREATED)
        assert revoked.facts == {"serial": 2, "by": "k1"}
        assert made.facts == {"allows": ["view"], "by": "k2"}

    async def test_links_of_ended_callbacks_can_be_revoked(self, store: Store) -> None:
        callback = await in_state(store, State.EXPIRED)

        revoked = await store.revoke(callback.id)

        assert revoked is not None
        assert (revoked.state, revoked.link_serial) == (State.EXPIRED, 2)

    async def test_revoking_unknown_callback_returns_none(self, store: Store) -> None:
        assert await store.revoke(factories.callback_id()) is None

    async def test_later_attempt_keeps_the_serial(self, store: Store) -> None:
        ref = factories.activity_ref()
        (callback,) = await store.open([factories.request(ref=ref)])
        await store.revoke(callback.id)

        (again,) = await store.open([factories.request(ref=ref, attempt=2)])

        assert (again.id, again.link_serial) == (callback.id, 2)
