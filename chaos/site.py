"""All programs of a run on one machine, in one folder."""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx2
from pydantic import SecretStr
from temporalio.service import RPCError

from chaos.connection import connect
from chaos.options import Options, StoreKind
from chaos.postgresql import make_cluster, url_of
from chaos.programs import Program, Recipe
from chaos.queue import NATS, nats_recipe, queue_table
from chaos.senders import NO_REPLY
from chaos.webhooks import write_sources
from chaos.wire import Wire
from ringback.app.credentials import ensure_local_keys
from ringback.app.dev_server import dev_server_command
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.app.web import free_ports
from ringback.client.target import local_key_path
from ringback.core.services import task_group
from ringback.domain.api_key import Role
from ringback.settings import Settings

_HOST: Final = "127.0.0.1"
_HEALTH: Final = timedelta(seconds=1)
_KEY_BYTES: Final = 32


@contextmanager
def folder_of(options: Options) -> Iterator[Path]:
    """Create a folder for a run; it is removed at the end unless the options keep it."""
    folder = Path(tempfile.mkdtemp(prefix="ringback-chaos-"))
    # The database's user must be able to traverse it; secret files have their own mode.
    folder.chmod(0o711)
    (folder / "facts").mkdir()
    try:
        yield folder
    finally:
        if not options.is_kept:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Site:
    """The programs of a run, and their addresses.

    Attributes:
        folder: The run's folder.
        environment: The environment of Ringback's programs.
        database: The ledger's address, for SQLAlchemy.
        temporal: Temporal's address.
        wire: The connection between gateways and Temporal.
        gateways: The gateways' URLs.
        programs: By name, in the order in which they start.
        broker: The port of the broker.
    """

    folder: Path
    environment: Mapping[str, str]
    database: str
    temporal: str
    wire: Wire
    gateways: list[str]
    programs: dict[str, Program]
    broker: int

    @property
    def facts(self) -> Path:
        """The folder of the workers' facts."""
        return self.folder / "facts"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the programs for the block, which starts when all of them work."""
        tasks: list[asyncio.Task[None]] = []
        async with task_group() as group:
            try:
                for together in self._in_order():
                    tasks += [group.create_task(program.run()) for program in together]
                    await asyncio.gather(*(program.ready() for program in together))
                    if self._has_gateway(together):
                        await self._make_worker_key()
                yield
            finally:
                for program in self.programs.values():
                    program.ask_to_stop()
                for task in tasks:
                    task.cancel()

    def _in_order(self) -> list[list[Program]]:
        """Return the programs in groups; each group needs the ones before it."""
        servers, gateways, others = [], [], []
        for name, program in self.programs.items():
            if name in {"temporal", "postgresql", NATS}:
                servers.append(program)
            elif name.startswith("gateway-"):
                gateways.append(program)
            else:
                others.append(program)
        return [servers, gateways, others]

    @staticmethod
    def _has_gateway(programs: Sequence[Program]) -> bool:
        return any(one.recipe.name.startswith("gateway-") for one in programs)

    async def _make_worker_key(self) -> None:
        # A gateway creates it on SQLite; on a server, the operator does.
        if self.settings.store is not None:
            async with opened_store(self.settings, SystemClock()) as opened:
                await ensure_local_keys(self.folder, opened)

    def read_operator_key(self) -> str:
        """Return the API key with which people vote, once a gateway has created it."""
        return local_key_path(self.folder, Role.OPERATOR).read_text().strip()

    @property
    def settings(self) -> Settings:
        """The settings with which the run itself opens the store."""
        store = self.environment.get("RINGBACK_STORE")
        return Settings(data=self.folder, store=None if store is None else SecretStr(store))

    async def calm(self) -> None:
        """Wait until all programs work."""
        for program in self.programs.values():
            program.thaw()
            await program.ready()


def build_site(
    options: Options, folder: Path, *, outside: int, wire: int, channels: Mapping[str, str]
) -> Site:
    """Create everything that a run needs in `folder`, without starting it.

    Args:
        options: What the run is told.
        folder: The run's folder.
        outside: The port on which the outside party is asked.
        wire: The port that leads to Temporal.
        channels: The settings of the gateways' channels to people.
    """
    ports = free_ports(3 + options.gateways)
    gateways = [f"http://{_HOST}:{port}" for port in ports[3:]]
    temporal = f"{_HOST}:{ports[0]}"
    database = f"sqlite+aiosqlite:///{folder / 'ringback.db'}"
    recipes = [_temporal(folder, ports[0])]
    store: dict[str, str] = {}
    if options.store is StoreKind.POSTGRESQL:
        recipes.append(make_cluster(folder, ports[1]))
        store["RINGBACK_STORE"] = url_of(ports[1])
        database = url_of(ports[1]).replace("postgresql:", "postgresql+asyncpg:")
    queue = ""
    if options.has_queue:
        recipes.append(nats_recipe(folder, ports[2], _plain_environment()))
        queue = queue_table(ports[2])
    environment = {
        **_plain_environment(),
        **store,
        "TEMPORAL_ADDRESS": temporal,
        "RINGBACK_DATA": str(folder),
        "RINGBACK_KEYS": f"chaos:{secrets.token_hex(_KEY_BYTES)}",
        "RINGBACK_PUBLIC_URL": gateways[0],
        "RINGBACK_LOG": "json",
    }
    wired = {
        **environment,
        **channels,
        **write_sources(folder, queue),
        "TEMPORAL_ADDRESS": f"{_HOST}:{wire}",
    }
    recipes += [_gateway(folder, wired, number, url=url) for number, url in enumerate(gateways)]
    asked = f"http://{_HOST}:{outside}"
    recipes += [
        _worker(
            folder, environment, number, gateway=gateways[number % len(gateways)], outside=asked
        )
        for number in range(options.workers)
    ]
    programs = {recipe.name: Program(recipe) for recipe in recipes}
    return Site(
        folder=folder,
        environment=environment,
        database=database,
        temporal=temporal,
        wire=Wire(_HOST, ports[0]),
        gateways=gateways,
        programs=programs,
        broker=ports[2],
    )


def _plain_environment() -> dict[str, str]:
    ours = ("RINGBACK_", "TEMPORAL_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    here = str(Path(__file__).parents[1])
    paths = [path for path in (plain.get("PYTHONPATH"), here) if path]
    return {**plain, "PYTHONPATH": os.pathsep.join(paths)}


def _temporal(folder: Path, port: int) -> Recipe:
    async def is_ready() -> bool:
        client = await connect(f"{_HOST}:{port}", lazily=True)
        try:
            return await client.service_client.check_health(timeout=_HEALTH)
        except (RPCError, RuntimeError):
            return False

    command = dev_server_command(port=port, ui_port=None, database=folder / "temporal.db")
    # A kill loses nothing that was written to a file; only a power cut would.
    command += ["--sqlite-pragma", "synchronous=off"]
    return Recipe("temporal", command, _plain_environment(), folder, is_ready)


def _gateway(folder: Path, environment: Mapping[str, str], number: int, *, url: str) -> Recipe:
    async def is_ready() -> bool:
        try:
            async with httpx2.AsyncClient(timeout=1, trust_env=False) as http:
                return (await http.get(f"{url}/readyz")).status_code == httpx2.codes.OK
        except NO_REPLY:
            return False

    port = url.rpartition(":")[2]
    words = [sys.executable, "-m", "ringback", "serve", "--port", port]
    return Recipe(f"gateway-{number}", words, environment, folder, is_ready)


def _worker(
    folder: Path, environment: Mapping[str, str], number: int, *, gateway: str, outside: str
) -> Recipe:
    name = f"worker-{number}"
    is_up = folder / "facts" / f"{name}.ready"

    async def is_ready() -> bool:
        return is_up.exists()

    words = [sys.executable, "-m", "chaos.worker", name, outside, str(folder / "facts")]
    return Recipe(name, words, {**environment, "RINGBACK_URL": gateway}, folder, is_ready)
