"""Sessions and one-time sign-in URLs."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from ringback.domain.person import Person, ProofSource, Session, SessionId
from ringback.domain.text_checks import to_key
from ringback.ports.access import NewSession, SessionLimits
from ringback.store.bulk_params import Instant
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.tables import metadata
from ringback.store.unreadable import AnyRow, RowTypes, read_rows


def _person_columns() -> list[Column[object]]:
    return [
        Column("user", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("groups", JSON, nullable=False),
        Column("is_admin", Boolean, nullable=False),
        Column("proof_source", Text, nullable=False),
    ]


PERSON: Final = ("user", "name", "groups", "is_admin", "proof_source")

#: Sessions of people; the secret itself is never stored.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    *_person_columns(),
    #: The user's key, by which names are compared.
    Column("owner", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

#: One-time sign-in URLs; the secret itself is never stored.
sign_in_urls = Table(
    "sign_in_urls",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    *_person_columns(),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

Index("ix_sessions_owner", sessions.c.owner)
Index("ix_sessions_expires", sessions.c.expires_at)
Index("ix_sign_in_urls_expires", sign_in_urls.c.expires_at)


KEPT_FOR: Final = timedelta(days=30)
"""How long the rows of ended sessions and URLs stay, for an operator who asks what happened."""

_NOW: Final = bindparam("now", type_=Instant)

_IS_VALID: Final = and_(sessions.c.revoked_at.is_(None), sessions.c.expires_at > _NOW)

FIND: Final = select(sessions).where(
    sessions.c.digest == bindparam("digest"),
    _IS_VALID,
    sessions.c.seen_at > bindparam("idle_since", type_=Instant),
)

#: Several gateways may notice the same use at once; one of them stores it.
MARK_SEEN: Final = (
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.seen_at <= bindparam("seen_before", type_=Instant),
    )
    .values(seen_at=_NOW)
)

GET: Final = select(sessions).where(sessions.c.id == bindparam("session_id"))

LIST: Final = (
    select(sessions)
    .where(_IS_VALID)
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    .limit(bindparam("limit"))
)

LIST_OF_USER: Final = LIST.where(sessions.c.owner == bindparam("of_user"))

#: The first revocation counts.
REVOKE: Final = (
    update(sessions)
    .where(sessions.c.id == bindparam("session_id"), sessions.c.revoked_at.is_(None))
    .values(revoked_at=_NOW)
)

REVOKE_ALL: Final = (
    update(sessions)
    .where(sessions.c.owner == bindparam("of_user"), _IS_VALID)
    .values(revoked_at=_NOW)
)

_CAN_BE_USED: Final = and_(
    sign_in_urls.c.digest == bindparam("url_digest"),
    sign_in_urls.c.used_at.is_(None),
    sign_in_urls.c.expires_at > _NOW,
)

FIND_URL: Final = select(sign_in_urls).where(_CAN_BE_USED)

#: Whoever updates the row signs in: the condition is in the statement.
USE_URL: Final = (
    update(sign_in_urls).where(_CAN_BE_USED).values(used_at=_NOW).returning(sign_in_urls)
)

_FORGET: Final = {
    table.name: delete(table).where(table.c.expires_at < bindparam("forgotten", type_=Instant))
    for table in (sessions, sign_in_urls)
}

_SESSION: Final = RowTypes([*sessions.c])
_URL: Final = RowTypes([*sign_in_urls.c])


class SqlSessions(SqlPart):
    """`Sessions` and `SignInUrls` on a SQL database."""

    @writes
    async def add_session(self, connection: Connection, new: NewSession, person: Person) -> Session:
        now = await self._database.now(connection)
        await _forget(connection, now)
        return await _add(connection, new, person, now=now)

    async def find_session(self, digest: bytes, limits: SessionLimits) -> Session | None:
        session, now = await self._find_session(digest, limits.idle)
        if session is not None and session.seen_at <= now - limits.seen_every:
            await self._mark_seen(session.id, now - limits.seen_every)
        return session

    @reads
    async def _find_session(
        self, connection: Connection, digest: bytes, idle: timedelta
    ) -> tuple[Session | None, datetime]:
        now = await self._database.now(connection)
        values = {"digest": digest, "now": now, "idle_since": now - idle}
        found, _ = read_rows(await connection.execute(FIND, values), _to_session, key="id")
        return (found[0] if found else None), now

    @writes
    async def _mark_seen(
        self, connection: Connection, session_id: SessionId, before: datetime
    ) -> None:
        now = await self._database.now(connection)
        values = {"session_id": session_id, "seen_before": before, "now": now}
        await connection.execute(MARK_SEEN, values)

    @reads
    async def list_sessions(
        self, connection: Connection, *, user: str | None, limit: int
    ) -> Sequence[Session]:
        now = await self._database.now(connection)
        values: dict[str, object] = {"limit": limit, "now": now}
        statement = LIST
        if user is not None:
            statement, values = LIST_OF_USER, {**values, "of_user": to_key(user)}
        found, _ = read_rows(await connection.execute(statement, values), _to_session, key="id")
        return found

    @writes
    async def revoke_session(self, connection: Connection, session_id: SessionId) -> Session | None:
        now = await self._database.now(connection)
        await connection.execute(REVOKE, {"session_id": session_id, "now": now})
        result = await connection.execute(GET, {"session_id": session_id})
        found, _ = read_rows(result, _to_session, key="id")
        return found[0] if found else None

    @writes
    async def revoke_sessions(self, connection: Connection, user: str) -> int:
        now = await self._database.now(connection)
        result = await connection.execute(REVOKE_ALL, {"of_user": to_key(user), "now": now})
        revoked: int = result.rowcount
        return revoked

    @writes
    async def add_sign_in_url(
        self, connection: Connection, digest: bytes, person: Person, *, lifetime: timedelta
    ) -> datetime:
        now = await self._database.now(connection)
        await _forget(connection, now)
        dates = {"created_at": now, "expires_at": now + lifetime}
        row = {"digest": digest, **_from_person(person), **dates}
        await connection.execute(insert(sign_in_urls), row)
        return now + lifetime

    @writes
    async def purge_sessions(self, connection: Connection) -> Mapping[str, int]:
        return await _forget(connection, await self._database.now(connection))

    @reads
    async def find_sign_in_url(self, connection: Connection, digest: bytes) -> Person | None:
        now = await self._database.now(connection)
        result = await connection.execute(FIND_URL, {"url_digest": digest, "now": now})
        found, _ = read_rows(result, _to_person_of_url, key="user")
        return found[0] if found else None

    @writes
    async def use_sign_in_url(
        self, connection: Connection, digest: bytes, new: NewSession
    ) -> Session | None:
        now = await self._database.now(connection)
        result = await connection.execute(USE_URL, {"url_digest": digest, "now": now})
        found, _ = read_rows(result, _to_person_of_url, key="user")
        return await _add(connection, new, found[0], now=now) if found else None


async def _add(
    connection: Connection, new: NewSession, person: Person, *, now: datetime
) -> Session:
    session = Session(new.id, person, new.user_agent, now, now, now + new.lifetime)
    row = {
        "id": new.id,
        "digest": new.digest,
        **_from_person(person),
        "owner": to_key(person.user),
        "user_agent": new.user_agent,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
    }
    await connection.execute(insert(sessions), row)
    return session


async def _forget(connection: Connection, now: datetime) -> Mapping[str, int]:
    values = {"forgotten": now - KEPT_FOR}
    return {
        name: (await connection.execute(statement, values)).rowcount
        for name, statement in _FORGET.items()
    }


def _from_person(person: Person) -> dict[str, Any]:
    return {
        "user": person.user,
        "name": person.name,
        "groups": sorted(person.groups),
        "is_admin": person.is_admin,
        "proof_source": person.proof_source.value,
    }


def _to_person(row: AnyRow) -> Person:
    user, name, groups, is_admin, source = (getattr(row, column) for column in PERSON)
    return Person(user, name, frozenset(groups), is_admin, ProofSource(source))


def _to_person_of_url(row: AnyRow) -> Person:
    _URL.check(row)
    return _to_person(row)


def _to_session(row: AnyRow) -> Session:
    _SESSION.check(row)
    return Session(
        SessionId(row.id),
        _to_person(row),
        row.user_agent,
        row.created_at,
        row.seen_at,
        row.expires_at,
        row.revoked_at,
    )
