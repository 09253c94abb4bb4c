"""A service of Restate's whose invocations each wait for an awakeable of their own.

Run as `python -m benchmarks.rivals.restate_service <file>`; prints `ready <url>`, and appends the
id of each awakeable to the file. It speaks HTTP/1.1, so an invocation that waits is suspended.
"""

import sys
from pathlib import Path

import restate

from benchmarks.rivals.serving import serve
from ringback.app.program import run

_asker = restate.Service("Asker")
_ids = Path(sys.argv[1])


@_asker.handler()
async def ask(ctx: restate.Context, _question: None) -> str:
    """Tell the id, and wait for the answer."""
    name, answer = ctx.awakeable(type_hint=str)
    _tell(name)
    return await answer


def _tell(name: str) -> None:
    with _ids.open("a") as file:
        file.write(f"{name}\n")


async def _serve() -> None:
    await serve(restate.app([_asker]))


if __name__ == "__main__":
    run(_serve())
