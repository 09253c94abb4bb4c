"""The address of a PostgreSQL database, as libpq reads it.

asyncpg takes every parameter that it does not know for a setting of the server, and a server
rejects those of libpq. So they are sorted here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ringback.domain.errors import ConfigurationError

_CONNECT_SECONDS: Final = 5

_OF_ASYNCPG: Final = frozenset([
    "host",
    "port",
    "dbname",
    "database",
    "user",
    "password",
    "passfile",
    "service",
    "servicefile",
    "sslmode",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "sslnegotiation",
    "sslcrl",
    "sslpassword",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
])

_IGNORED: Final = frozenset([
    "channel_binding",
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "sslcertmode",
    "sslcompression",
    "sslkeylogfile",
    "sslsni",
    "tcp_user_timeout",
])
"""Parameters of libpq that asyncpg has nothing for."""

_FILES: Final = ("sslcert", "sslkey", "sslrootcert", "sslcrl")


@dataclass(frozen=True, slots=True)
class PostgresqlUrl:
    """An address, sorted by who understands which part.

    Attributes:
        url: What asyncpg understands; it may hold the password.
        timeout: How long connecting may take, in seconds (`connect_timeout`).
        startup: What is sent as the connection begins (`options`).
        settings: Settings of the session (`application_name`, `search_path`, …).
        ignored: The names of parameters that have no effect.
    """

    url: str = field(repr=False)
    timeout: float
    startup: dict[str, str]
    settings: dict[str, str]
    ignored: tuple[str, ...]


def parse_postgresql_url(text: str) -> PostgresqlUrl:
    """Sort the parameters of an address.

    Raises:
        ConfigurationError: A parameter cannot be used.
    """
    parts = urlsplit(text)
    given = dict(_split(pair) for pair in parts.query.split("&") if pair)
    for name in _FILES:
        _check_file(name, given)
    of_asyncpg = {name: value for name, value in given.items() if name in _OF_ASYNCPG}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in of_asyncpg.items())
    known = _OF_ASYNCPG | _IGNORED | {"connect_timeout", "options"}
    return PostgresqlUrl(
        urlunsplit(parts._replace(query=query)),
        _timeout(given.get("connect_timeout")),
        {name: value for name, value in given.items() if name == "options"},
        {name: value for name, value in given.items() if name not in known},
        tuple(sorted(given.keys() & _IGNORED)),
    )


def _split(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        msg = "RINGBACK_STORE has a parameter without a value; write <name>=<value>"
        raise ConfigurationError(msg)
    return unquote(name), unquote(value)


def _check_file(name: str, given: dict[str, str]) -> None:
    path = given.get(name)
    if path and path != "system" and not Path(path).expanduser().is_file():
        msg = f"RINGBACK_STORE names a file that is not there: {name}={path}"
        raise ConfigurationError(msg)


def _timeout(text: str | None) -> float:
    if text is None:
        return _CONNECT_SECONDS
    try:
        seconds = int(text)
    except ValueError as exc:
        msg = f"RINGBACK_STORE has connect_timeout={text}; write whole seconds"
        raise ConfigurationError(msg) from exc
    # To libpq 0 is without end; a program that waits so long tells nobody why.
    return seconds if seconds > 0 else _CONNECT_SECONDS
