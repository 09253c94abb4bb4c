"""Receive messages until killed; acknowledge the first ones, and print each body."""

import asyncio
import importlib
import json
import sys


async def consume(module: str, name: str, options: str, acknowledged: int) -> None:
    broker = getattr(importlib.import_module(module), name)(**json.loads(options))
    async with broker.connect(50) as queue:
        done = 0
        while True:
            messages = await queue.receive(10)
            accepted = messages[: max(0, acknowledged - done)]
            await queue.acknowledge(accepted)
            done += len(accepted)
            for message in messages:
                said = "done" if message in accepted else "held"
                print(f"{said} {message.body.decode()}", flush=True)  # noqa: T201 - its test reads it


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
