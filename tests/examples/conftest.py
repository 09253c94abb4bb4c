"""A site on which an example runs as its reader would run it: as a process of its own."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Protocol

import pytest

from tests.acceptance.programs import Program, program
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site

EXAMPLES: Final = Path(__file__).parents[2] / "examples"


class RunExample(Protocol):
    """Runs `python examples/<file> <words>` for the block."""

    def __call__(
        self, file: str, *words: str, **environment: str
    ) -> AbstractAsyncContextManager[Program]: ...


@pytest.fixture(scope="module")
async def site(
    tmp_path_factory: pytest.TempPathFactory, temporal_address: str
) -> AsyncIterator[Site]:
    """A machine with the Temporal server of all tests; the tests of one file share it."""
    async with build_site(tmp_path_factory.mktemp("site"), temporal=temporal_address) as built:
        yield built


@pytest.fixture(scope="module")
async def gateway(site: Site) -> AsyncIterator[Program]:
    """The gateway of the site."""
    async with site.gateway() as running:
        yield running


@pytest.fixture(scope="module")
def run_example(site: Site) -> RunExample:
    """Runs an example on the site, with the settings of its other programs."""

    def run(file: str, *words: str, **environment: str) -> AbstractAsyncContextManager[Program]:
        command = [sys.executable, str(EXAMPLES / file), *words]
        return program(command, site.environment | environment)

    return run
