"""Run `ringback` against a site, and collect its exit code and output."""

import asyncio
import json
import os
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.acceptance import preloaded_cli
from tests.acceptance.programs import LIMIT_SECONDS, ROOT, ringback
from tests.acceptance.site import Site


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, parsed as JSON."""
        return json.loads(self.out)


@dataclass
class Command:
    """The command line of a site."""

    site: Site

    async def __call__(self, *words: str, stdin: bytes = b"", **environment: str) -> Ran:
        """Run `ringback` with `words` in a process that has already imported its modules."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return Ran(*await preloaded_cli.run(words, self._environment(environment), stdin))

    async def alone(self, *words: str, stdin: bytes = b"", **environment: str) -> Ran:
        """Run `ringback` with `words` in a new interpreter, connected by pipes."""
        process = await asyncio.create_subprocess_exec(
            *ringback(*words),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=ROOT,
            env=self._environment(environment),
        )
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                out, err = await process.communicate(stdin)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **self.site.environment, **more}
