"""Checks of an installation; each reports what works, or what is wrong and how to fix it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final, Literal

import httpx2
from temporalio.client import Client

from ringback.app.credentials import load_keyring
from ringback.app.doctor_checks import (
    DATE_HEADER,
    SkippedError,
    SuspectError,
    check_channels,
    check_queues,
    check_sources,
    compare,
    measure,
)
from ringback.app.stores import existing_database
from ringback.app.system import SystemClock
from ringback.client.gateway_client import GatewayClient
from ringback.client.target import find_target, local_key_path
from ringback.domain.api_key import Role
from ringback.domain.errors import (
    ConfigurationError,
    GatewayUnavailableError,
    RingbackError,
    StoreUnavailableError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.settings import Settings
from ringback.store.migrate import inspect
from ringback.store.sql_store import SqlStore
from ringback.temporal.connect import check_connection, check_permissions, connect_lazily
from ringback.temporal.converter import choose_converter
from ringback.worker.gateway_runtime import check_gateway

_TIMEOUT: Final = timedelta(seconds=5)

LIMIT: Final = timedelta(seconds=30)
"""How long one check may take; most have shorter limits of their own."""

Status = Literal["ok", "warning", "wrong", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: The name of the check.
        status: `warning` if it works, and may soon be wrong; `skipped` if there is nothing to
            check.
        detail: What works, or what is wrong and how to fix it.
    """

    check: str
    status: Status
    detail: str


async def diagnose(settings: Settings) -> list[Finding]:
    """Run all checks in order, each with a time limit. They change nothing."""
    checks = _Checks(settings)
    named: dict[str, Callable[[], Awaitable[str]]] = {
        "store": checks.store,
        "link keys": checks.link_keys,
        "clock": checks.clock,
        "Temporal": checks.temporal,
        "permissions": checks.permissions,
        "public URL": checks.public_url,
        "worker key": checks.worker_key,
        "channels": partial(check_channels, settings, SystemClock()),
        "sources": partial(check_sources, settings),
        "queues": partial(check_queues, settings),
    }
    return [await run_check(name, check) for name, check in named.items()]


async def run_check(
    name: str, check: Callable[[], Awaitable[str]], *, within: timedelta = LIMIT
) -> Finding:
    """Run one check, which has failed if it takes longer than `within`."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            return Finding(name, "ok", await check())
    except TimeoutError:
        seconds = f"{within.total_seconds():g} s"
        return Finding(name, "wrong", f"no reply within {seconds}; look at its network and load")
    except SkippedError as exc:
        return Finding(name, "skipped", str(exc))
    except SuspectError as exc:
        return Finding(name, "warning", str(exc))
    except RingbackError as exc:
        return Finding(name, "wrong", str(exc))


class _Checks:
    """The checks; each returns what works, or raises an error that says how to fix it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()

    async def store(self) -> str:
        name = self._settings.store_name
        async with existing_database(self._settings, self._clock) as database:
            schema = await inspect(database)
        if schema.before is None:
            msg = f"{name} is empty; `ringback serve` or `ringback migrate` creates its tables"
            raise ConfigurationError(msg)
        if schema.before != schema.after:
            found = f"the schema of {name} is {schema.before}, not {schema.after}"
            msg = f"{found}; run: ringback migrate"
            raise ConfigurationError(msg)
        return f"{name} has the schema {schema.after} and can be written"

    async def link_keys(self) -> str:
        keyring = load_keyring(self._settings)
        if missing := keyring.missing(await self._used_link_keys()):
            msg = (
                f"open callbacks have links of the key {', '.join(missing)}, which is missing, so"
                " their senders get 404; add it again, after the key that signs now"
            )
            raise ConfigurationError(msg)
        return f"new links are signed with the key {keyring.signing}"

    async def _used_link_keys(self) -> frozenset[str]:
        try:
            async with existing_database(self._settings, self._clock) as database:
                return await SqlStore(database).link_keys()
        except (StoreUnavailableError, ConfigurationError):
            # The check of the store says why.
            return frozenset()

    async def clock(self) -> str:
        found = {
            "the gateway": await measure(self._gateway_now, self._clock, resolution=DATE_HEADER),
            "the database": await measure(self._database_now, self._clock),
        }
        known = {name: offset for name, offset in found.items() if offset is not None}
        if not known:
            msg = "there is no other clock to compare with: no gateway answers at the public URL"
            raise SkippedError(msg)
        return compare(known, self._clock)

    async def temporal(self) -> str:
        client = await self._client()
        address = client.service_client.config.target_host
        try:
            await check_connection(client)
        except TemporalMisconfiguredError:
            raise
        except TemporalUnreachableError as exc:
            msg = f"{exc}; start it, or correct TEMPORAL_ADDRESS, which is {address}"
            raise TemporalUnreachableError(msg) from exc
        return f"{address} has the namespace {client.namespace!r}"

    async def permissions(self) -> str:
        client = await self._client()
        try:
            await check_connection(client)
        except TemporalMisconfiguredError:
            # A server replies, so it can say which permission is missing.
            pass
        except TemporalUnreachableError as exc:
            msg = "Temporal cannot be reached"
            raise SkippedError(msg) from exc
        await check_permissions(client)
        return "the gateway may read workflows, and heartbeat and complete activities"

    async def public_url(self) -> str:
        reply = await self._get_health()
        if reply.status_code != httpx2.codes.OK or b'"status"' not in reply.content:
            msg = (
                f"{reply.request.url} answers with {reply.status_code}, not as a gateway; set"
                " RINGBACK_PUBLIC_URL to the URL that leads to it"
            )
            raise ConfigurationError(msg)
        return f"a gateway answers at {self._settings.base_url}"

    async def worker_key(self) -> str:
        if not self._needs_api_key:
            msg = (
                "no API key is set here; `ringback keys add --role worker` creates one for a worker"
            )
            raise SkippedError(msg)
        target = find_target(Role.WORKER)
        async with GatewayClient(target) as gateway:
            found = await gateway.whoami()
        check_gateway(found, target, (await self._client()).namespace)
        return f"{target.url} accepts the key {found.key} of {target.source}"

    @property
    def _needs_api_key(self) -> bool:
        """Whether this machine has a worker's key, or a gateway that creates one."""
        settings = self._settings
        is_given = settings.api_key is not None or settings.api_key_file is not None
        is_local = settings.postgresql_url is None
        return is_given or is_local or local_key_path(settings.data, Role.WORKER).exists()

    async def _client(self) -> Client:
        return await connect_lazily(choose_converter(self._settings.data_converter, None))

    async def _get_health(self) -> httpx2.Response:
        url = f"{self._settings.base_url}/healthz"
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT.total_seconds()) as http:
                return await http.get(url)
        except httpx2.HTTPError as exc:
            msg = (
                f"{url} cannot be reached ({exc or type(exc).__name__}); start the gateway with"
                " `ringback serve`, or set RINGBACK_PUBLIC_URL to the URL that leads to it"
            )
            raise GatewayUnavailableError(msg) from exc

    async def _gateway_now(self) -> datetime | None:
        try:
            reply = await self._get_health()
            return parsedate_to_datetime(reply.headers["date"])
        except (GatewayUnavailableError, KeyError, ValueError):
            return None

    async def _database_now(self) -> datetime | None:
        if self._settings.postgresql_url is None:
            return None
        try:
            async with existing_database(self._settings, self._clock) as database:
                return await database.read(database.now)
        except (StoreUnavailableError, ConfigurationError):
            return None
