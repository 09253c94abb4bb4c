"""The contract of every store for sessions and one-time sign-in URLs."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Final

from ringback.domain.api_key import digest_secret
from ringback.domain.person import Person, ProofSource, Session, SessionId, new_person
from ringback.ports.access import NewSession, SessionLimits
from ringback.store.sessions import KEPT_FOR
from ringback.testing import ManualClock
from tests.contract.stores import SECOND, Store

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LIMITS: Final = SessionLimits(idle=4 * HOUR, seen_every=timedelta(minutes=5))
URL: Final = digest_secret("the url")

_numbers = count(1)


def person(user: str = "ada@example.org") -> Person:
    return new_person(
        user,
        name="Ada Lovelace",
        groups=["finance", "Größe"],
        is_admin=True,
        proof_source=ProofSource.OIDC,
    )


def new_session(secret: str | None = None) -> NewSession:
    number = next(_numbers)
    return NewSession(
        SessionId(f"se_{number:05}"),
        digest_secret(secret or f"secret {number}"),
        "a browser",
        DAY,
    )


async def ids_of(store: Store, user: str | None = None, limit: int = 100) -> list[str]:
    return [session.id for session in await store.list_sessions(user=user, limit=limit)]


class SessionsContract:
    async def test_added_session_is_found_unchanged(self, store: Store, clock: ManualClock) -> None:
        new = new_session("s")
        now = clock.now()

        added = await store.add_session(new, person())

        found = await store.find_session(new.digest, LIMITS)
        assert found == added == Session(new.id, person(), "a browser", now, now, now + DAY)
        assert found.person.groups == {"finance", "Größe"}

    async def test_session_with_another_secret_is_not_found(self, store: Store) -> None:
        await store.add_session(new_session("s"), person())

        assert await store.find_session(digest_secret("t"), LIMITS) is None

    async def test_expired_session_is_not_found(self, store: Store, clock: ManualClock) -> None:
        new = new_session()
        await store.add_session(new, person())
        limits = SessionLimits(idle=9 * DAY, seen_every=HOUR)

        clock.advance(DAY - SECOND)
        before = await store.find_session(new.digest, limits)
        clock.advance(SECOND)
        after = await store.find_session(new.digest, limits)

        assert before is not None
        assert after is None
        assert await ids_of(store) == []

    async def test_idle_session_is_not_found(self, store: Store, clock: ManualClock) -> None:
        new = new_session()
        await store.add_session(new, person())

        clock.advance(4 * HOUR - SECOND)
        used = await store.find_session(new.digest, LIMITS)
        clock.advance(4 * HOUR - SECOND)
        used_again = await store.find_session(new.digest, LIMITS)
        clock.advance(4 * HOUR)
        idle = await store.find_session(new.digest, LIMITS)

        assert used is not None
        assert used_again is not None
        assert idle is None

    async def test_use_is_stored_at_most_once_in_five_minutes(
        self, store: Store, clock: ManualClock
    ) -> None:
        new = new_session()
        await store.add_session(new, person())
        seen = []

        for _ in range(11):
            clock.advance(timedelta(minutes=1))
            await store.find_session(new.digest, LIMITS)
            (listed,) = await store.list_sessions(user=None, limit=1)
            seen.append((listed.seen_at - listed.created_at) // timedelta(minutes=1))

        assert seen == [0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10]

    async def test_revoked_session_is_not_found(self, store: Store, clock: ManualClock) -> None:
        new = new_session()
        await store.add_session(new, person())
        clock.advance(SECOND)

        revoked = await store.revoke_session(new.id)
        clock.advance(SECOND)
        again = await store.revoke_session(new.id)

        assert revoked is not None
        assert revoked.revoked_at == clock.now() - SECOND
        assert again == revoked
        assert await store.find_session(new.digest, LIMITS) is None
        assert await ids_of(store) == []

    async def test_unknown_session_cannot_be_revoked(self, store: Store) -> None:
        assert await store.revoke_session(SessionId("se_x")) is None

    async def test_sessions_of_a_user_are_listed_newest_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        for user in ("Ada@Example.org", "eve", "ada@example.org"):
            await store.add_session(new_session(), person(user))
            clock.advance(SECOND)

        everybody = await ids_of(store)
        of_ada = await ids_of(store, "ADA@example.org")

        assert everybody == sorted(everybody, reverse=True)
        assert of_ada == [everybody[0], everybody[2]]
        assert await ids_of(store, limit=1) == everybody[:1]

    async def test_all_sessions_of_a_user_are_revoked(self, store: Store) -> None:
        others = new_session()
        await store.add_session(others, person("eve"))
        for user in ("Ada@Example.org", "ada@example.org"):
            await store.add_session(new_session(), person(user))

        first = await store.revoke_sessions("ADA@EXAMPLE.ORG")
        second = await store.revoke_sessions("ADA@EXAMPLE.ORG")

        assert (first, second) == (2, 0)
        assert await ids_of(store) == [others.id]

    async def test_rows_of_ended_sessions_are_removed_a_month_later(
        self, store: Store, clock: ManualClock
    ) -> None:
        old = new_session()
        await store.add_session(old, person())
        await store.add_sign_in_url(URL, person(), lifetime=DAY)

        clock.advance(DAY + KEPT_FOR)
        await store.add_session(new_session(), person())
        kept = await store.revoke_session(old.id)
        clock.advance(SECOND)
        await store.add_session(new_session(), person())

        assert kept is not None
        assert await store.revoke_session(old.id) is None
        # Its digest is free again.
        await store.add_sign_in_url(URL, person(), lifetime=DAY)

    async def test_sign_in_url_is_shown_any_number_of_times(
        self, store: Store, clock: ManualClock
    ) -> None:
        expires_at = await store.add_sign_in_url(URL, person(), lifetime=HOUR)

        shown = [await store.find_sign_in_url(URL) for _ in range(3)]

        assert expires_at == clock.now() + HOUR
        assert shown == [person()] * 3
        assert await ids_of(store) == []

    async def test_sign_in_url_is_used_once(self, store: Store) -> None:
        await store.add_sign_in_url(URL, person(), lifetime=HOUR)
        first, second = new_session(), new_session()

        used = await store.use_sign_in_url(URL, first)
        again = await store.use_sign_in_url(URL, second)

        assert used == await store.find_session(first.digest, LIMITS)
        assert used is not None
        assert used.person == person()
        assert again is None
        assert await store.find_session(second.digest, LIMITS) is None
        assert await store.find_sign_in_url(URL) is None

    async def test_expired_sign_in_url_cannot_be_used(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.add_sign_in_url(URL, person(), lifetime=HOUR)
        clock.advance(HOUR)

        assert await store.find_sign_in_url(URL) is None
        assert await store.use_sign_in_url(URL, new_session()) is None
        assert await ids_of(store) == []

    async def test_unknown_sign_in_url_cannot_be_used(self, store: Store) -> None:
        assert await store.find_sign_in_url(URL) is None
        assert await store.use_sign_in_url(URL, new_session()) is None


class ConcurrentSessionsContract:
    async def test_of_two_hundred_uses_of_one_url_one_signs_in(
        self, stores: Sequence[Store]
    ) -> None:
        await stores[0].add_sign_in_url(URL, person(), lifetime=HOUR)

        used = await asyncio.gather(
            *(stores[number % 4].use_sign_in_url(URL, new_session()) for number in range(200))
        )

        assert sum(session is not None for session in used) == 1
        assert len(await ids_of(stores[0])) == 1
