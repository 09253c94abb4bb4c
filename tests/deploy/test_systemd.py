"""The systemd unit is valid, hardened, and runs a gateway that stops in time."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Final

import pytest

from ringback.app.exits import USAGE
from tests.acceptance.programs import free_port, program, until_ready
from tests.contract.postgresql_server import own_database, server_url
from tests.deploy.manifests import ROOT
from tests.sandbox import Container, need_sandbox, process_1
from tests.services import missing

UNIT: Final = (ROOT / "deploy" / "systemd" / "ringback.service").read_text("utf-8")
HIGHEST_EXPOSURE: Final = 1.5
"""What `systemd-analyze security` may say; 10 is no protection."""

PROGRAM: Final = "/opt/ringback/bin/ringback"
NO_NEW_CODE: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Runs a program as `MemoryDenyWriteExecute=` does: prctl PR_SET_MDWE, where Linux has it."""


def values_of(name: str, unit: str = UNIT) -> list[str]:
    """Return the values of a setting of the unit, in order."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


def with_credentials() -> str:
    """Return the unit for PostgreSQL, as the page says: without the `#`."""
    return re.sub(r"^#(LoadCredential|Environment)=", r"\1=", UNIT, flags=re.MULTILINE)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        missing("the program `systemd-analyze`", "install it with: apt-get install systemd")
    return subprocess.run(  # noqa: S603 - fixed words
        ["systemd-analyze", *words],  # noqa: S607 - it is on the path
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def unit(tmp_path: Path) -> str:
    """The unit in a file, with a program and a folder that exist here."""
    file = tmp_path / "ringback.service"
    text = UNIT.replace(PROGRAM, shutil.which("true") or "")
    file.write_text(re.sub("^WorkingDirectory=.*$", "WorkingDirectory=/", text, flags=re.M))
    return str(file)


def test_systemd_accepts_the_unit(unit: str) -> None:
    verified = analyze("verify", "--man=no", unit)

    assert (verified.returncode, verified.stderr) == (0, "")


def test_systemd_calls_the_unit_protected(unit: str) -> None:
    said = analyze("security", "--offline=true", "--no-pager", unit)

    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert float(exposure) <= HIGHEST_EXPOSURE


def test_wrong_setting_is_not_started_again() -> None:
    assert values_of("RestartPreventExitStatus") == [str(USAGE)]


@pytest.mark.thorough
@pytest.mark.server
@pytest.mark.processes
async def test_gateway_of_the_unit_serves_with_its_credentials_and_stops_in_time(
    tmp_path: Path, temporal_address: str
) -> None:
    need_sandbox()
    text, port = with_credentials(), free_port()
    folders = {name: tmp_path / name for name in ("state", "configuration", "credentials")}
    for folder in folders.values():
        folder.mkdir()
    async with own_database(await server_url()) as store:
        content = {
            "store": store,
            "keys": f"k1:{'5' * 64}",
            "webhook-secrets": f"whsec_{b64encode(b'0' * 24).decode()}",
        }
        for credential in values_of("LoadCredential", text):
            name = credential.partition(":")[0]
            (folders["credentials"] / name).write_text(content[name])
            (folders["credentials"] / name).chmod(0o400)
        gateway = Container(
            command=[*command_of(text), f"--port={port}"],
            environment={**environment_of(text), "TEMPORAL_ADDRESS": temporal_address},
            mounts={
                "/var/lib/ringback": folders["state"],
                "/etc/ringback": folders["configuration"],
                "/run/credentials/ringback.service": folders["credentials"],
            },
            read_only=frozenset({"/etc/ringback", "/run/credentials/ringback.service"}),
            folder=values_of("WorkingDirectory", text)[0],
        )

        async with program(gateway.words, {}) as serving:
            await until_ready(f"http://127.0.0.1:{port}")
            begun = time.monotonic()
            os.kill(process_1(serving.process.pid), signal.SIGTERM)
            code = await serving.end()

    assert code == 0, serving.output
    assert time.monotonic() - begun < float(values_of("TimeoutStopSec")[0])
    assert "secret file" not in serving.output


def command_of(unit: str) -> list[str]:
    """Return the command of the unit, with the program of this environment."""
    (line,) = values_of("ExecStart", unit)
    first, *words = shlex.split(line)
    assert first == PROGRAM
    return [sys.executable, "-c", NO_NEW_CODE, "ringback", *words]


def environment_of(unit: str) -> dict[str, str]:
    """Return the environment of the unit, with systemd's specifiers replaced."""
    text = " ".join(values_of("Environment", unit))
    text = text.replace("%S", "/var/lib").replace("%d", "/run/credentials/ringback.service")
    return dict(pair.split("=", 1) for pair in shlex.split(text))
