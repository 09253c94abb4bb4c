"""Long work outside the worker: kept alive, with its progress in Temporal, and stopped on request.

    python examples/long_running.py

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and no gateway.
Two videos are transcoded; the second is canceled while it is under way.
"""

import asyncio
import atexit
import time
from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError, CancelledError
from temporalio.worker import Worker
from temporalio.workflow import ActivityCancellationType

from ringback import ActivityCancelledError, ActivityRef, AsyncCompletionClient

TASK_QUEUE = "long-running"
FRAMES = 30
Job = tuple[ActivityRef, str]


class Queue:
    """What lies between the worker and the transcoder; a real system has a message queue."""

    def __init__(self) -> None:
        self.jobs: asyncio.Queue[Job] = asyncio.Queue()

    @activity.defn
    async def transcode(self, video: str) -> str:
        """Hand the video over, with the ids by which its activity is completed."""
        info = activity.info()
        ref = ActivityRef(info.activity_id, info.workflow_id, info.workflow_run_id)
        self.jobs.put_nowait((ref, video))
        activity.raise_complete_async()


async def encode(_video: str, _frame: int) -> None:
    """Encode one frame, so to speak."""
    await asyncio.sleep(0.1)


async def transcode(client: AsyncCompletionClient, ref: ActivityRef, video: str) -> None:
    """Do the work: the end of the block is the end of the activity."""
    frame = 0
    # A third of the heartbeat timeout: two heartbeats may fail.
    often = timedelta(seconds=0.5)
    async with client.processing(ref, every=often, details=lambda: {"frame": frame}) as work:
        try:
            for frame in range(1, FRAMES + 1):
                await encode(video, frame)
            work.result = f"{video} in {frame} frames"
        finally:
            work.cancel_details = ({"frame": frame},)


async def transcoder(client: AsyncCompletionClient, queue: Queue, videos: Sequence[str]) -> None:
    """Work on this number of videos, one after the other."""
    for _ in videos:
        ref, video = await queue.jobs.get()
        print(f"Transcoding {video}.", flush=True)
        try:
            await transcode(client, ref, video)
        except ActivityCancelledError:
            print(f"Stopped {video}, and reported it.", flush=True)


@workflow.defn
class Transcoding:
    """Has a video transcoded."""

    @workflow.run
    async def run(self, video: str) -> str:
        """Return the result, or that it was canceled on the way.

        Raises:
            ActivityError: The activity failed.
        """
        try:
            return await workflow.execute_activity_method(
                Queue.transcode,
                video,
                start_to_close_timeout=timedelta(hours=2),
                heartbeat_timeout=timedelta(seconds=1.5),
                # The workflow goes on once the transcoder has stopped, and not before.
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            if not isinstance(error.cause, CancelledError):
                raise
            (details,) = error.cause.details
            return f"canceled {'before' if details['frame'] < FRAMES else 'at'} its last frame"


async def start(client: Client, video: str) -> WorkflowHandle[Transcoding, str]:
    """Start the workflow of one video."""
    return await client.start_workflow(
        Transcoding.run,
        video,
        id=f"transcoding-{video}",
        task_queue=TASK_QUEUE,
        execution_timeout=timedelta(minutes=1),
    )


async def order(client: Client, first: str, second: str) -> None:
    """Have one video transcoded to its end, and cancel the other once its work has begun."""
    print(await (await start(client, first)).result(), flush=True)
    handle = await start(client, second)
    while not await has_told_its_progress(handle):  # noqa: ASYNC110 - no event comes from there
        await asyncio.sleep(0.1)
    await handle.cancel()
    print(f"{second} was {await handle.result()}", flush=True)


async def has_told_its_progress(handle: WorkflowHandle[Transcoding, str]) -> bool:
    """Check whether Temporal has the details of a heartbeat; its UI shows them, too."""
    seen = (await handle.describe()).raw_description
    return any(one.HasField("heartbeat_details") for one in seen.pending_activities)


async def main() -> None:
    """Run the worker, the transcoder and who orders, all in this process."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config)
    queue, videos = Queue(), ("intro.mp4", "outro.mp4")
    async with Worker(
        client, task_queue=TASK_QUEUE, workflows=[Transcoding], activities=[queue.transcode]
    ):
        await asyncio.gather(
            transcoder(AsyncCompletionClient(client), queue, videos), order(client, *videos)
        )


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
