"""The command that serves questions to people to an assistant."""

from importlib.util import find_spec
from typing import Annotated

import typer

import ringback
from ringback.app.program import exit_at_stop, run
from ringback.app.system import find_os_user
from ringback.cli.gateway import operator_target
from ringback.client.gateway_client import GatewayClient

if find_spec("mcp") is None:
    raise ModuleNotFoundError(name="mcp")


def mcp(
    by: Annotated[
        str | None,
        typer.Option(
            help="The person who decides (default: your OS user), and whose inbox is listed first."
            " It is not authenticated."
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="A group of that person; may be repeated. Not authenticated."),
    ] = None,
    allow_unconfirmed_decisions: Annotated[
        bool,
        typer.Option(
            "--allow-unconfirmed-decisions",
            help="Decide also where the client shows the person no form to confirm it.",
        ),
    ] = False,
) -> None:
    """Serve the questions to people to an assistant, over MCP on standard input and output.

    An assistant starts this command. It can list questions, show one, approve it and reject it; a
    person confirms each decision in a form of the assistant's client.
    """
    # The package takes seconds to import, and `ringback --help` imports this module.
    from ringback.mcp.server import create_server  # noqa: PLC0415 - see above
    from ringback.mcp.tools import Tools, Voter  # noqa: PLC0415 - see above

    voter = Voter(by or find_os_user(), tuple(group or ()), is_named=bool(by))
    target = operator_target()

    async def serve() -> None:
        exit_at_stop()
        async with GatewayClient(target) as client:
            tools = Tools(client, target, voter, may_skip_confirmation=allow_unconfirmed_decisions)
            await create_server(tools, version=ringback.__version__).run_stdio_async()

    run(serve())
