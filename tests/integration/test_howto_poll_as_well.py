"""The how-to on polls: a job whose webhook is lost ends by a poll."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from tests.integration.conftest import OpenEnv
from tests.integration.workflows import Run

pytestmark = pytest.mark.server

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "poll-as-well.md"


class Renderer:
    """The service of the how-to, which loses every webhook.

    Attributes:
        states: What it says of a job, one per request; the last one stays.
        jobs: The ids of the jobs that were started.
    """

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)
        self.jobs: list[str] = []
        start = Route("/jobs", self._start, methods=["POST"])
        self.app = Starlette(routes=[start, Route("/jobs/{id}", self._show)])

    async def _start(self, request: Request) -> Response:
        self.jobs.append((await request.json())["id"])
        return Response(status_code=202)

    async def _show(self, request: Request) -> Response:
        assert request.path_params["id"] in self.jobs
        return JSONResponse(self.states.pop(0) if len(self.states) > 1 else self.states[0])


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The Python of the how-to, as a module that polls each second."""
    (code,) = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)
    (tmp_path / "howto_polls.py").write_text(code.replace("minutes=10", "seconds=1"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "howto_polls", raising=False)
    return importlib.import_module("howto_polls")


def serve(page: ModuleType, renderer: Renderer) -> None:
    transport = httpx2.ASGITransport(app=renderer.app)
    client = httpx2.AsyncClient(transport=transport, base_url="http://renderer")
    vars(page)["renderer"] = client


async def test_poll_finds_the_video(page: ModuleType, open_env: OpenEnv) -> None:
    renderer = Renderer({"state": "running"}, {"state": "done", "video": "v.mp4"})
    serve(page, renderer)
    async with open_env(page.render) as env:
        handle = await env.start(Run("render", attempts=0, argument="scene 1"))

        assert await handle.result() == "v.mp4"
    assert len(renderer.jobs) == 1


async def test_failed_job_fails_the_activity(page: ModuleType, open_env: OpenEnv) -> None:
    serve(page, Renderer({"state": "failed", "reason": "no such scene"}))
    async with open_env(page.render) as env:
        handle = await env.start(Run("render", attempts=0, argument="scene 1"))

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message) == ("RenderFailed", "no such scene")
