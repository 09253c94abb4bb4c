"""The bare loop: `handle.complete` by task token, some at a time, and nothing else.

Run as `python -m benchmarks.rivals.bare_loop <address of Temporal> <how many at a time> <file>`,
with task tokens in the file, in hexadecimal, a line each; prints `ready loop`, and ends when all
are completed.
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from temporalio.client import Client

from ringback.app.program import run

_ANSWER: Final = "r" * 198


async def _complete(client: Client, tokens: Iterator[bytes]) -> None:
    for token in tokens:
        await client.get_async_activity_handle(task_token=token).complete(_ANSWER)


async def _loop(address: str, at_a_time: int, tokens: Iterator[bytes]) -> None:
    client = await Client.connect(address)
    print("ready loop", flush=True)
    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(_complete(client, tokens))


if __name__ == "__main__":
    lines = Path(sys.argv[3]).read_text().split()
    run(_loop(sys.argv[1], int(sys.argv[2]), iter([bytes.fromhex(line) for line in lines])))
