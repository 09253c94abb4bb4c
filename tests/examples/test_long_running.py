"""Long work is kept alive to its end, and stopped on request."""

import pytest
from temporalio.client import Client

from tests.examples.conftest import EXAMPLES
from tests.tutorial.programs import running

pytestmark = [pytest.mark.server, pytest.mark.processes]


async def test_one_video_is_transcoded_and_the_other_is_stopped(
    temporal_address: str, client: Client
) -> None:
    script = EXAMPLES / "long_running.py"

    async with running(script, temporal_address=temporal_address) as program:
        ended = await program.ended()

    assert (ended.exit_code, ended.err) == (0, [])
    assert ended.out == [
        "Transcoding intro.mp4.",
        "intro.mp4 in 30 frames",
        "Transcoding outro.mp4.",
        "Stopped outro.mp4, and reported it.",
        "outro.mp4 was canceled before its last frame",
    ]
    assert await client.get_workflow_handle("transcoding-intro.mp4").result() == (
        "intro.mp4 in 30 frames"
    )
