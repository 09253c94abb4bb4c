"""The shrinker: answers thirty Activities, in one of three ways."""

import argparse
import asyncio
import atexit
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from workflow import PICTURES, WORKFLOW_ID

from ringback import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityRef,
    AsyncCompletionClient,
    Batcher,
    Progress,
    fail_with,
)

BROKEN = 13
ANSWERED_BEFORE = 7


def activity_of(picture: int) -> ActivityRef:
    """Return the Activity that waits for the thumbnail."""
    return ActivityRef(f"picture-{picture}", WORKFLOW_ID)


async def shrink(picture: int) -> str:
    """Return the thumbnail; one of the pictures is broken."""
    await asyncio.sleep(0.1)
    if picture == BROKEN:
        broken = fail_with("BrokenPicture", non_retryable=True)
        raise broken
    return f"thumbnail of {picture}"


def every(count: int) -> Callable[[Progress], None]:
    """Return a function that prints the progress at each multiple of the count."""

    def show(progress: Progress) -> None:
        if progress.done % count == 0:
            print(f"{progress.done} done.")

    return show


async def by_hand(client: AsyncCompletionClient) -> None:
    """Complete one after the other."""
    # PART A: complete each Activity with its thumbnail.
    # TODO PART A: for each picture, call client.complete() with activity_of(picture) and
    # f"thumbnail of {picture}", and print f"Picture {picture} is done."
    # END PART A


async def many(client: AsyncCompletionClient) -> None:
    """Complete all thumbnails in one call, and print which were not accepted."""
    # PART B: complete all Activities with one call, and print which were not taken.
    # TODO PART B: make a list of pairs, activity_of(picture) and f"thumbnail of {picture}", and
    # hand it to client.complete_many(), with concurrency=5 and on_progress=every(10). Of each
    # delivery that has an error, print the picture and the type of the error.
    # END PART B


async def batches(client: AsyncCompletionClient) -> None:
    """Work in batches, and let each result or failure be the Activity's."""
    batcher = Batcher(
        client, shrink, size=10, every=timedelta(seconds=1), bound=20, on_progress=every(10)
    )
    # PART C: put every picture into the batcher.
    # TODO PART C: open the batcher as a block, with async with. In it, put every picture in with
    # its Activity: await batcher.put(activity_of(picture), picture).
    # END PART C
    progress = batcher.progress
    completed, failed, undelivered = progress.completed, progress.failed, progress.undelivered
    print(f"{completed} completed, {failed} failed, {undelivered} undelivered.")


async def wait_for_work(client: AsyncCompletionClient) -> None:
    """Return when all Activities wait, one of which another program is quick to answer."""
    print("Waiting for work.")
    for picture in range(PICTURES):
        await until_it_waits(client, activity_of(picture))
    await client.complete(activity_of(ANSWERED_BEFORE), "from another program")
    print(f"Another program was first with picture {ANSWERED_BEFORE}.")


async def until_it_waits(client: AsyncCompletionClient, activity: ActivityRef) -> None:
    """Return when the Activity waits."""
    while True:
        try:
            return await client.heartbeat(activity)
        except ActivityNotFoundError:
            await asyncio.sleep(0.1)


WAYS = {"by-hand": by_hand, "many": many, "batches": batches}


async def main() -> None:
    """Answer as the command line says."""
    parser = argparse.ArgumentParser(description="Answer many Activities.")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--again", action="store_true", help="do not wait for new work")
    arguments = parser.parse_args()
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = AsyncCompletionClient(await Client.connect(**config))
    try:
        if not arguments.again:
            await wait_for_work(client)
        await WAYS[arguments.way](client)
    except ActivityNotFoundError:
        sys.exit("Stopped: an Activity does not wait any more.")
    except ActivityCancelledError:
        sys.exit("Stopped: an Activity is canceled.")


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
