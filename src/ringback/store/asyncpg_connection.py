"""Connections to PostgreSQL: durable, and none of them waits for ever."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg

from ringback.domain.errors import ConfigurationError
from ringback.store.postgresql_url import PostgresqlUrl

_SET_UP_SECONDS: Final = 5
_CLOSE_SECONDS: Final = 1

_SET: Final = (
    "SELECT set_config(name, value, false)"
    " FROM unnest($1::text[], $2::text[]) AS given (name, value)"
)

#: A commit is on disk before it is done, whatever the server's default; more than that is kept.
_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
)


if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Only its stubs can be subscripted.
    _Connection = asyncpg.Connection


class AsyncpgConnection(_Connection):
    """A connection that can be closed whatever the server does."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        """Close in good order if the server takes part in it soon, else close at once."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().close(timeout=timeout)
        except TimeoutError:
            # asyncpg itself would wait for the farewell of a server that stands still.
            self.terminate()


async def connect(address: PostgresqlUrl, patience: timedelta) -> AsyncpgConnection:
    """Return a new connection, on which the server gives up what takes longer than `patience`.

    Raises:
        ConfigurationError: The URL cannot be used.
        OSError: There is no answer.
    """
    try:
        connection = await asyncpg.connect(
            address.url,
            timeout=address.timeout,
            connection_class=AsyncpgConnection,
            server_settings=address.startup,
        )
    except asyncpg.ClientConfigurationError as exc:
        msg = f"RINGBACK_STORE cannot be used: {exc}"
        raise ConfigurationError(msg) from None
    milliseconds = str(round(patience.total_seconds() * 1000))
    settings = {
        "application_name": "ringback",
        **address.settings,
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        # A process that stands still must not hold up the others.
        "idle_in_transaction_session_timeout": milliseconds,
    }
    with ExitStack() as after_a_failure:
        after_a_failure.callback(connection.terminate)
        await _set_up(connection, settings)
        after_a_failure.pop_all()
    return connection


async def _set_up(connection: AsyncpgConnection, settings: Mapping[str, str]) -> None:
    """Set what holds for the session.

    PgBouncer rejects settings that come with the connection's beginning, or drops them in silence.

    Raises:
        ConfigurationError: The server does not know a setting, or not with this value.
    """
    try:
        await connection.fetch(
            _SET, list(settings), list(settings.values()), timeout=_SET_UP_SECONDS
        )
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError) as exc:
        msg = f"RINGBACK_STORE has a parameter that cannot be used: {exc}"
        raise ConfigurationError(msg) from None
    await connection.execute(_DURABLE, timeout=_SET_UP_SECONDS)
