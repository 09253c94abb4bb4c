"""Programs start, stop and refuse in words that help."""

import asyncio
import json
import signal
import stat
import sys
from pathlib import Path

import pytest

from ringback.app.web import bound_socket
from ringback.demo.tour import ROUND_TRIP
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import LIMIT_SECONDS, Program, free_port, program, ringback
from tests.acceptance.site import Site

pytestmark = pytest.mark.processes


@pytest.mark.server
async def test_worker_without_a_gateway_fails_at_start_with_its_url(shared_site: Site) -> None:
    site = shared_site
    environment = {**site.environment, "RINGBACK_API_KEY": "rbk_k1_secret"}

    async with program(ringback("worker"), environment) as worker:
        code = await worker.end()

    assert code == 3
    assert f"the gateway at {site.gateway_url} cannot be reached" in worker.output
    assert "Traceback" not in worker.output


async def test_invalid_setting_is_named_in_the_error(site: Site) -> None:
    environment = {**site.environment, "RINGBACK_BODY_LIMIT": "many"}

    async with program(ringback("serve"), environment) as gateway:
        code = await gateway.end()

    assert code == 2
    assert "RINGBACK_BODY_LIMIT" in gateway.output


async def test_port_in_use_is_named_in_the_error(site: Site) -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        gateway = await site.run("serve", "--port", port)
        words = ringback(
            *("dev", "--port", str(free_port()), "--service-port", str(free_port())),
            *("--temporal-port", str(free_port()), "--ui-port", port),
        )
        async with program(words, {"RINGBACK_DATA": str(site.data)}) as dev:
            await dev.end()

    for refused in (gateway, dev):
        assert refused.process.returncode == 2
        assert f"port {port} on 127.0.0.1 cannot be used" in refused.output


async def test_key_file_is_created_once_with_mode_0600(site: Site) -> None:
    async with site.gateway():
        pass
    path = site.data / "ringback.keys"
    made = path.read_text()
    async with site.gateway():
        pass

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == made


async def test_key_file_readable_by_others_is_rejected(site: Site) -> None:
    async with site.gateway():
        pass
    (site.data / "ringback.keys").chmod(0o644)

    refused = await site.run("serve", "--port", str(site.gateway_port))

    assert refused.process.returncode == 2
    assert "chmod 600" in refused.output


@on_postgresql
async def test_gateway_on_postgresql_without_link_keys_fails(site: Site, store_url: str) -> None:
    environment = {"RINGBACK_DATA": str(site.data), "RINGBACK_STORE": store_url}

    async with program(ringback("serve"), environment) as gateway:
        code = await gateway.end()

    assert code == 2
    assert "set RINGBACK_KEYS or RINGBACK_KEYS_FILE" in gateway.output
    assert "Traceback" not in gateway.output


async def test_missing_driver_is_named_in_the_error(site: Site, tmp_path: Path) -> None:
    without = tmp_path / "sitecustomize.py"
    without.write_text("import sys\nsys.modules['asyncpg'] = None\n")
    store = "postgresql://nobody@127.0.0.1/nowhere"

    refused = await site.run("keys", "list", PYTHONPATH=str(tmp_path), RINGBACK_STORE=store)

    assert refused.process.returncode == 2
    assert refused.output == (
        "ringback: the store is on PostgreSQL, which needs: pip install 'ringback[postgres]'"
    )


def processes_of(data: Path) -> list[str]:
    """Return the command lines of processes that were given this folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                environment = (folder / "environ").read_bytes()
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(data).encode() in environment + words:
                found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.mark.server
@pytest.mark.usefixtures("own_server")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_dev_serves_a_round_trip_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    data = tmp_path / "dev"
    words = ringback(
        *("dev", "--data", str(data), "--port", str(free_port())),
        *("--temporal-port", str(free_port()), "--ui-port", str(free_port())),
        *("--service-port", str(free_port())),
    )
    async with program(words, {}) as dev:
        ui = (await dev.line("Temporal's web UI: ")).split()[-1]
        ready = (await dev.line("ready gateway")).split()
        urls = dict(zip(ready[1::2], ready[2::2], strict=True))
        environment = {"TEMPORAL_ADDRESS": urls["temporal"], "RINGBACK_DATA": str(data)}
        environment["RINGBACK_URL"] = urls["gateway"]
        async with program(ringback("client", "-ttr", "0", "-ttc", "0"), environment) as client:
            code = await client.end()
        async with program(ringback("list", "--state", "applied", "--json"), environment) as seen:
            await seen.end()
        dev.process.send_signal(number)
        ended = await dev.end()

    assert list(urls) == ["gateway", "temporal", "ui", "service"]
    assert ui == urls["ui"]
    assert code == 0, client.output
    assert len(json.loads(seen.output)["callbacks"]) == 1
    assert ended == 0, dev.output
    assert processes_of(data) == []


@pytest.mark.thorough
@pytest.mark.server
@pytest.mark.usefixtures("own_server")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties children to their parent")
async def test_killed_dev_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "dev"
    words = ringback(
        *("dev", "--data", str(data), "--port", str(free_port())),
        *("--temporal-port", str(free_port()), "--ui-port", str(free_port())),
        *("--service-port", str(free_port())),
    )
    async with program(words, {}) as dev:
        await dev.line("ready gateway")
        began = len(processes_of(data))
        await dev.kill()
        async with asyncio.timeout(LIMIT_SECONDS):
            while await asyncio.to_thread(processes_of, data):
                pass

    assert began == 2


@pytest.mark.thorough
@pytest.mark.server
@pytest.mark.usefixtures("own_server")
async def test_two_interrupts_while_dev_starts_leave_no_process(tmp_path: Path) -> None:
    data = tmp_path / "dev"
    words = ringback(
        *("dev", "--data", str(data), "--port", str(free_port())),
        *("--temporal-port", str(free_port()), "--ui-port", str(free_port())),
        *("--service-port", str(free_port())),
    )
    async with program(words, {}) as dev:
        await dev.line("Temporal Server:")
        dev.process.send_signal(signal.SIGINT)
        began = len(processes_of(data))
        while began and len(processes_of(data)) == began:
            pass
        dev.process.send_signal(signal.SIGINT)
        await dev.end()

    assert processes_of(data) == []


@pytest.mark.server
@pytest.mark.usefixtures("own_server")
async def test_demo_shows_a_round_trip_and_stops_everything() -> None:
    async with program(ringback("demo"), {}) as demo:
        code = await demo.end()

    assert code == 0, demo.output
    assert_all_steps_are_shown(demo)
    assert "Everything is stopped." in demo.output


@pytest.mark.server
async def test_demo_shows_all_steps_when_another_worker_runs(
    shared_site: Site,
) -> None:
    site = shared_site
    async with site.gateway(), site.worker(), program(ringback("demo"), site.environment) as demo:
        code = await demo.end()

    assert code == 0, demo.output
    assert_all_steps_are_shown(demo)
    assert site.service.links.empty()


def assert_all_steps_are_shown(demo: Program) -> None:
    shown = " ".join(demo.output.split())
    assert [f"{who} → {whom}" for who, whom in ROUND_TRIP if f"{who} → {whom}" not in shown] == []
