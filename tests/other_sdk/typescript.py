"""Temporal's TypeScript SDK, as a program that the tests run."""

import asyncio
import json
import shutil
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringback.completion.refs import ActivityRef, Target
from tests.npm_packages import installed_packages

HERE: Final = Path(__file__).parent
PACKAGES: Final = HERE / "package.json"
PROGRAM: Final = HERE / "typescript_client.cjs"


@dataclass(frozen=True)
class TypeScript:
    """A completion client of the TypeScript SDK."""

    to_it: StreamWriter
    from_it: StreamReader

    async def tell(self, verb: str, target: Target, value: Any = None) -> str | None:
        """Call a verb, such as `reportCancellation`; return the name of its error, if it raises."""
        request = {"verb": verb, "value": value, **_addressed(target)}
        self.to_it.write(json.dumps(request).encode() + b"\n")
        await self.to_it.drain()
        async with asyncio.timeout(20):
            reply = json.loads(await self.from_it.readline())
        name: str | None = reply["error"]
        return name


def _addressed(target: Target) -> dict[str, Any]:
    if not isinstance(target, ActivityRef):
        return {"token": b64encode(target).decode(), "ids": None}
    names = {"workflowId": target.workflow_id, "runId": target.run_id}
    known = {name: value for name, value in names.items() if value is not None}
    return {"token": None, "ids": {"activityId": target.activity_id, **known}}


@asynccontextmanager
async def typescript(address: str, namespace: str) -> AsyncIterator[TypeScript]:
    """Run the program for the block."""
    packages = await asyncio.to_thread(installed_packages, PACKAGES, "the TypeScript SDK")
    node = shutil.which("node")
    assert node is not None, "asked before"
    program = await asyncio.create_subprocess_exec(
        node,
        PROGRAM,
        address,
        namespace,
        stdin=PIPE,
        stdout=PIPE,
        env={"NODE_PATH": str(packages)},
    )
    assert program.stdin is not None, "it was asked for"
    assert program.stdout is not None, "it was asked for"
    try:
        yield TypeScript(program.stdin, program.stdout)
    finally:
        program.stdin.close()
        await program.wait()
