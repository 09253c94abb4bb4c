"""A real nginx on a free port, with the configuration of a documentation page."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.acceptance.programs import LIMIT_SECONDS, program
from tests.polling import pause
from tests.services import missing

_CONFIGURATION = """
daemon off;
# nginx would run its workers as a user who cannot read the test's folder.
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


@asynccontextmanager
async def nginx(folder: Path, port: int, locations: str) -> AsyncIterator[Path]:
    """Run nginx for the block; yield its access log."""
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        missing("the program `nginx`", "install it with: apt-get install nginx")
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, port=port, locations=locations))
    async with program([binary, "-p", str(folder), "-e", "stderr", "-c", str(file)], {}) as running:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await _is_listening(port):
                assert running.process.returncode is None, running.output
                await pause()
        yield folder / "access.log"


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True
