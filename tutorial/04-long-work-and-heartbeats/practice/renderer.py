"""The renderer: does the long work outside the Worker, in one of three ways."""

import argparse
import asyncio
import atexit
import sys
import time
from datetime import timedelta

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from workflow import ACTIVITY_ID, WORKFLOW_ID

from ringback import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityRef,
    AsyncCompletionClient,
)

ACTIVITY = ActivityRef(ACTIVITY_ID, WORKFLOW_ID)
OFTEN = timedelta(milliseconds=300)
SLOW_FRAME = 3


async def render(frame: int) -> None:
    """Render one frame, which takes a while; one of them takes four seconds."""
    await asyncio.sleep(4 if frame == SLOW_FRAME else 0.3)
    print(f"Rendered frame {frame}.")


async def by_hand(client: AsyncCompletionClient, frames: int) -> None:
    """Render, with a heartbeat behind each frame."""
    # PART A: send a heartbeat behind each frame, and the result at the end.
    # TODO PART A: for each frame, from 1 to frames, await render() and send a heartbeat with
    # client.heartbeat(), with ACTIVITY and the details {"frames": frame}. Then complete ACTIVITY
    # with f"{frames} frames".
    # END PART A


async def kept_alive(client: AsyncCompletionClient, frames: int) -> None:
    """Render, with heartbeats during the work."""
    # PART B: keep the Activity alive while you render, then complete it.
    # TODO PART B: open a block with client.keeping_alive(), for ACTIVITY, every=OFTEN, and with a
    # function as details that returns {"frames": done}. Render in it. Complete ACTIVITY behind it.
    # END PART B


async def processed(client: AsyncCompletionClient, frames: int) -> None:
    """Render in a block whose end is the Activity's."""
    # PART C: render in a block that completes, fails or reports the cancellation.
    # TODO PART C: open a block with client.processing(), with the same arguments. Render in it and
    # set work.result at its end. In a finally clause, set work.cancel_details.
    # END PART C


async def wait_for_work(client: AsyncCompletionClient) -> None:
    """Return when the Activity waits."""
    print("Waiting for work.")
    while True:
        try:
            return await client.heartbeat(ACTIVITY)
        except ActivityNotFoundError:
            await asyncio.sleep(0.1)


WAYS = {"by-hand": by_hand, "kept-alive": kept_alive, "processed": processed}


async def main() -> None:
    """Render as the command line says."""
    parser = argparse.ArgumentParser(description="Do the long work of an Activity.")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--frames", type=int, default=5)
    arguments = parser.parse_args()
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = AsyncCompletionClient(await Client.connect(**config))
    try:
        await wait_for_work(client)
        await WAYS[arguments.way](client, arguments.frames)
    except ActivityNotFoundError:
        sys.exit("Stopped: the Activity has ended.")
    except ActivityCancelledError:
        sys.exit("Stopped: the activity is canceled.")
    print("Done.")


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
