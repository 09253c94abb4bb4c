"""How a rival in Python is run: as the gateway is, until it is to stop."""

from starlette.types import ASGIApp

from ringback.app.program import stop_requested
from ringback.app.web import bound_socket, served


async def serve(app: ASGIApp) -> None:
    """Serve `app` on a free port, and print `ready <url>`."""
    with bound_socket("127.0.0.1", 0) as listening:
        async with served(app, listening):
            print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
            await stop_requested()
