"""Connections to PostgreSQL: durable, and none of them waits for ever."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg

from ringback.domain.errors import ConfigurationError

_CONNECT_SECONDS: Final = 5
_CLOSE_SECONDS: Final = 1

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


class Connection(_Connection):
    """A connection that can be closed whatever the server does."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        """Close in good order if the server takes part in it soon, else close at once."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().close(timeout=timeout)
        except TimeoutError:
            # asyncpg itself would wait for the farewell of a server that stands still.
            self.terminate()


async def connect(url: str, patience: timedelta) -> Connection:
    """Return a new connection, on which the server gives up what takes longer than `patience`.

    Raises:
        ConfigurationError: The URL cannot be used.
        OSError: There is no answer.
    """
    milliseconds = str(round(patience.total_seconds() * 1000))
    try:
        connection = await asyncpg.connect(
            url,
            timeout=_CONNECT_SECONDS,
            connection_class=Connection,
            server_settings={
                "application_name": "ringback",
                "statement_timeout": milliseconds,
                "lock_timeout": milliseconds,
                # A process that stands still must not hold up the others.
                "idle_in_transaction_session_timeout": milliseconds,
            },
        )
    except asyncpg.ClientConfigurationError as exc:
        msg = f"RINGBACK_STORE cannot be used: {exc}"
        raise ConfigurationError(msg) from None
    await connection.execute(_DURABLE, timeout=_CONNECT_SECONDS)
    return connection
