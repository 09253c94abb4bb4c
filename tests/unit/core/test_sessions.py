"""Sessions are found by their secret, which nobody but the browser has."""

import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from ringback.core.sessions import SEEN_EVERY, SessionRules, SessionService
from ringback.domain.api_key import digest_secret
from ringback.domain.people_errors import UnknownSessionError, UnknownSignInUrlError
from ringback.domain.person import Person, ProofSource, SessionId, new_person, parse_admins
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase

HOUR = timedelta(hours=1)
ADA = new_person("ada", groups=["ops"], proof_source=ProofSource.ONE_TIME_URL)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(clock: ManualClock) -> Iterator[InMemoryDatabase]:
    with InMemoryDatabase(clock) as database:
        yield database


@pytest.fixture
def service(database: InMemoryDatabase, clock: ManualClock) -> SessionService:
    return new_service(database, clock, SessionRules(lifetime=12 * HOUR, idle=4 * HOUR))


def new_service(
    database: InMemoryDatabase, clock: ManualClock, rules: SessionRules
) -> SessionService:
    store = SqlStore(database)
    return SessionService(store, store, rules, clock=clock, random_bytes=secrets.token_bytes)


async def test_session_is_found_by_its_secret(service: SessionService) -> None:
    signed_in = await service.sign_in(ADA, user_agent="a browser")

    assert await service.find(signed_in.secret) == signed_in.session
    assert await service.find("another") is None
    assert signed_in.session.expires_at - signed_in.session.created_at == service.lifetime


async def test_secret_is_neither_stored_nor_shown(
    service: SessionService, database: InMemoryDatabase
) -> None:
    signed_in = await service.sign_in(ADA, user_agent="")
    url = await service.create_url(ADA, lifetime=HOUR)

    async with database.writing() as connection:
        sessions = (await connection.execute(text("SELECT * FROM sessions"))).all()
        urls = (await connection.execute(text("SELECT * FROM sign_in_urls"))).all()

    assert (len(sessions), len(urls)) == (1, 1)
    stored = repr((sessions, urls))
    assert digest_secret(signed_in.secret) == sessions[0].digest
    for secret in (signed_in.secret, url.secret):
        assert secret not in stored
        assert secret not in repr((signed_in, url))


async def test_admins_of_the_settings_count_at_once(
    service: SessionService, database: InMemoryDatabase, clock: ManualClock
) -> None:
    signed_in = await service.sign_in(ADA, user_agent="")
    rules = SessionRules(admins=parse_admins("group:ops"))
    changed = new_service(database, clock, rules)

    found = await changed.find(signed_in.secret)
    (listed,) = await changed.list()

    assert not signed_in.session.person.is_admin
    assert found is not None
    assert found.person.is_admin
    assert listed.person.is_admin


async def test_use_keeps_a_session_from_getting_idle(
    service: SessionService, clock: ManualClock
) -> None:
    signed_in = await service.sign_in(ADA, user_agent="")

    clock.advance(3 * HOUR)
    assert await service.find(signed_in.secret) is not None
    clock.advance(3 * HOUR)
    found = await service.find(signed_in.secret)

    assert found is not None
    assert clock.now() - found.seen_at >= SEEN_EVERY


async def test_revoked_session_is_not_found(service: SessionService) -> None:
    first = await service.sign_in(ADA, user_agent="")
    second = await service.sign_in(ADA, user_agent="")

    revoked = await service.revoke(first.session.id)
    count = await service.revoke_all("ADA")

    assert revoked.revoked_at is not None
    assert count == 1
    assert await service.find(first.secret) is None
    assert await service.find(second.secret) is None
    with pytest.raises(UnknownSessionError):
        await service.revoke(SessionId("se_x"))


async def test_user_agent_is_cut_and_made_visible(service: SessionService) -> None:
    signed_in = await service.sign_in(ADA, user_agent="a\x1b[31m\n" + "b" * 500)

    assert signed_in.session.user_agent == "a[31m" + "b" * 195


async def test_sign_in_url_is_used_once(service: SessionService) -> None:
    url = await service.create_url(ADA, lifetime=HOUR)

    shown: Person = await service.show_url(url.secret)
    used = await service.use_url(url.secret, user_agent="")

    assert shown == used.session.person == ADA
    assert await service.find(used.secret) == used.session
    with pytest.raises(UnknownSignInUrlError):
        await service.show_url(url.secret)
    with pytest.raises(UnknownSignInUrlError):
        await service.use_url(url.secret, user_agent="")
