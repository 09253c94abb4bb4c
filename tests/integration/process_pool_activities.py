"""Activities that a process pool can import and run."""

from temporalio import activity

from ringback import Callback, NotWiredError, open_callback_sync, wait_for_callback_sync


def submit(callback: Callback) -> None:
    """Ask nobody."""


@activity.defn
def wait() -> str:
    """Return the error that a wait in this process meets."""
    try:
        return wait_for_callback_sync(submit, str)
    except NotWiredError as exc:
        return str(exc)


@activity.defn
def open_one() -> str:
    """Return the error that opening a callback in this process meets."""
    try:
        with open_callback_sync(result_type=str) as callback:
            submit(callback)
    except NotWiredError as exc:
        return str(exc)
    activity.raise_complete_async()
