"""A workflow and its activity in one file, as a user might write it."""

from temporalio import activity, workflow

from ringback import Callback, RingbackPlugin, wait_for_callback

PLUGIN = RingbackPlugin


@activity.defn
async def ask() -> str:
    """Wait for a callback."""

    async def submit(callback: Callback) -> None:
        activity.logger.info("asked", extra={"callback_id": callback.id})

    return await wait_for_callback(submit, str)


@workflow.defn
class Greet:
    """Greets."""

    @workflow.run
    async def run(self) -> str:
        return "hello"
