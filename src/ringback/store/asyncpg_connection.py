"""Connections to PostgreSQL with durable commits and bounded waits.

A URL is read as libpq reads it. asyncpg sends every parameter that it does not know to the server
as a setting, and the server rejects those of libpq, so the parameters are sorted here.

A pooler in transaction mode gives each transaction any of its own connections to the server. So
the settings of a session would be those of other clients: each transaction sets its own.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

import asyncpg

from ringback.domain.errors import ConfigurationError

_CONNECT_SECONDS: Final = 5
_SET_UP_SECONDS: Final = 5
_CLOSE_SECONDS: Final = 1

_CACHED_STATEMENTS: Final = 100
"""asyncpg's default."""

_OF_ASYNCPG: Final = frozenset([
    *("host", "port", "dbname", "database", "user", "password", "passfile"),
    *("service", "servicefile", "target_session_attrs", "krbsrvname", "gsslib"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "sslcrl", "sslpassword"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
])

_IGNORED: Final = frozenset([
    *("channel_binding", "client_encoding", "fallback_application_name", "gssdelegation"),
    *("gssencmode", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle"),
    *("keepalives_interval", "load_balance_hosts", "max_protocol_version"),
    *("min_protocol_version", "replication", "require_auth", "requirepeer", "requiressl"),
    *("scram_client_key", "scram_server_key", "sslcertmode", "sslcompression"),
    *("sslkeylogfile", "sslsni", "tcp_user_timeout"),
])
"""Parameters of libpq that asyncpg does not support."""

_OURS: Final = frozenset(["connect_timeout", "direct", "options", "pool_mode"])
"""Parameters that are read here."""

_DIRECT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\],]+)(?::\d+)?")

_FILES: Final = ("sslcert", "sslkey", "sslrootcert", "sslcrl")

_SET: Final = (
    "SELECT set_config(name, value, $3) FROM unnest($1::text[], $2::text[]) AS given (name, value)"
)

#: Commits wait for the disk even if the server's default is weaker; a stronger default stays.
_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', {is_local})"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
)


if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Generic in the stubs only.
    _Connection = asyncpg.Connection


@dataclass(frozen=True, slots=True)
class PostgresqlUrl:
    """The parts of a URL, sorted by what reads them.

    Attributes:
        url: The part that asyncpg understands; it may contain the password.
        timeout: `connect_timeout`, in seconds.
        startup: Parameters of the startup message (`options`).
        settings: Settings of the session (`application_name`, `search_path`, …).
        ignored: The names of parameters that have no effect.
        pool_mode: `session` or `transaction`, the mode of the pooler; `None` if none is named.
        direct_url: Like `url`, past the pooler; `None` if the URL does not name the server.
    """

    url: str = field(repr=False)
    timeout: float
    startup: dict[str, str]
    settings: dict[str, str]
    ignored: tuple[str, ...]
    pool_mode: str | None = None
    direct_url: str | None = field(default=None, repr=False)

    @property
    def is_shared(self) -> bool:
        """Whether other clients use the same connections to the server."""
        return self.pool_mode == "transaction"


def parse_postgresql_url(text: str) -> PostgresqlUrl:
    """Sort the parameters of a URL.

    Raises:
        ConfigurationError: A parameter is invalid.
    """
    parts = urlsplit(text)
    given = dict(_split(pair) for pair in parts.query.split("&") if pair)
    for name in _FILES:
        _check_file(name, given)
    of_asyncpg = {name: value for name, value in given.items() if name in _OF_ASYNCPG}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in of_asyncpg.items())
    known = _OF_ASYNCPG | _IGNORED | _OURS
    parts = parts._replace(query=query)
    return PostgresqlUrl(
        urlunsplit(parts),
        _timeout(given.get("connect_timeout")),
        {name: value for name, value in given.items() if name == "options"},
        {name: value for name, value in given.items() if name not in known},
        tuple(sorted(given.keys() & _IGNORED)),
        _pool_mode(given.get("pool_mode")),
        _direct_url(parts, given.get("direct")),
    )


def _pool_mode(text: str | None) -> str | None:
    if text not in {None, "session", "transaction"}:
        msg = f"RINGBACK_STORE has pool_mode={text}; use session or transaction"
        raise ConfigurationError(msg)
    return text


def _direct_url(parts: SplitResult, place: str | None) -> str | None:
    if place is None:
        return None
    if not _DIRECT.fullmatch(place):
        msg = f"RINGBACK_STORE has direct={place}; write <host>:<port> of the PostgreSQL server"
        raise ConfigurationError(msg)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{place}"))


def _split(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        msg = "RINGBACK_STORE has a parameter without a value; write <name>=<value>"
        raise ConfigurationError(msg)
    return unquote(name), unquote(value)


def _check_file(name: str, given: dict[str, str]) -> None:
    path = given.get(name)
    if path and path != "system" and not Path(path).expanduser().is_file():
        msg = f"RINGBACK_STORE names a file that does not exist: {name}={path}"
        raise ConfigurationError(msg)


def _timeout(text: str | None) -> float:
    if text is None:
        return _CONNECT_SECONDS
    try:
        seconds = int(text)
    except ValueError as exc:
        msg = f"RINGBACK_STORE has connect_timeout={text}; write whole seconds"
        raise ConfigurationError(msg) from exc
    # libpq would wait forever for 0, without a word of explanation.
    return seconds if seconds > 0 else _CONNECT_SECONDS


class AsyncpgConnection(_Connection):
    """A connection that closes even if the server does not respond.

    Attributes:
        preamble: What each transaction executes first, in the same trip as its BEGIN.
    """

    preamble: str = ""

    async def execute(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109 - asyncpg's
    ) -> str:
        """Execute `query`; if it begins a transaction, then the preamble, too."""
        if query.startswith("BEGIN"):
            query += self.preamble
        return await super().execute(query, *args, timeout=timeout)

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        """Close gracefully if the server responds soon, else terminate the connection."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().close(timeout=timeout)
        except TimeoutError:
            # asyncpg itself would wait for a server that is paused.
            self.terminate()


async def connect(
    address: PostgresqlUrl, patience: timedelta, *, is_direct: bool = False
) -> AsyncpgConnection:
    """Return a new connection; the server cancels statements that take longer than `patience`.

    `is_direct` connects past the pooler, if `address` names the server.

    Raises:
        ConfigurationError: The URL is invalid.
        OSError: The server does not respond.
    """
    url = (address.direct_url if is_direct else None) or address.url
    is_shared = address.is_shared and url is address.url
    try:
        connection = await asyncpg.connect(
            url,
            timeout=address.timeout,
            connection_class=AsyncpgConnection,
            server_settings=address.startup,
            # Another client may have the connection on which a statement was prepared. Without
            # this cache asyncpg sends the statement again with its values, in one trip.
            statement_cache_size=0 if is_shared else _CACHED_STATEMENTS,
        )
    except asyncpg.ClientConfigurationError as exc:
        msg = f"RINGBACK_STORE is invalid: {exc}"
        raise ConfigurationError(msg) from None
    milliseconds = str(round(patience.total_seconds() * 1000))
    settings = {
        "application_name": "ringback",
        **address.settings,
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        # A paused process must not block the others.
        "idle_in_transaction_session_timeout": milliseconds,
    }
    with ExitStack() as after_a_failure:
        after_a_failure.callback(connection.terminate)
        await _set_up(connection, settings, is_shared=is_shared)
        after_a_failure.pop_all()
    return connection


async def _set_up(
    connection: AsyncpgConnection, settings: Mapping[str, str], *, is_shared: bool
) -> None:
    """Set the session's settings, or let each transaction set them.

    PgBouncer rejects or ignores settings in the startup message.

    Raises:
        ConfigurationError: The server does not know a setting or its value.
    """
    try:
        # On a shared connection this only checks them: they last as long as the statement.
        await connection.fetch(
            _SET, list(settings), list(settings.values()), is_shared, timeout=_SET_UP_SECONDS
        )
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError) as exc:
        msg = f"RINGBACK_STORE has an invalid parameter: {exc}"
        raise ConfigurationError(msg) from None
    if is_shared:
        connection.preamble = _preamble(settings)
    else:
        await connection.execute(_DURABLE.format(is_local="false"), timeout=_SET_UP_SECONDS)


def _preamble(settings: Mapping[str, str]) -> str:
    calls = (f"set_config({_literal(name)}, {_literal(settings[name])}, true)" for name in settings)
    return f" SELECT {', '.join(calls)}; {_DURABLE.format(is_local='true')}"


def _literal(text: str) -> str:
    """Return `text` as a literal that no setting of the server reads differently."""
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{quoted}'"
