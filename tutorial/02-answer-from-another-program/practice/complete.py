"""The completion client: brings the answer from outside the Worker."""

import argparse
import asyncio
import atexit
import base64
import sys
import time

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError


def decode(text: str) -> bytes:
    """Return the Task Token that `text` stands for, in hexadecimal or in base64."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return base64.b64decode(text, validate=True)


def read_arguments() -> tuple[bytes, str]:
    """Return the Task Token and the result that the command line names."""
    parser = argparse.ArgumentParser(description="Complete an Activity from another program.")
    parser.add_argument("--result", default="Hello from another program", help="the answer")
    # PART C: take the Task Token from the command line and decode it.
    # TODO PART C: add the option --task-token, parse the arguments, decode the token with
    # decode(), and return the token and the result. Call parser.error() if decode() raises a
    # ValueError.
    sys.exit("Part C is still to do.")
    # END PART C


async def complete(client: Client, task_token: bytes, result: str) -> None:
    """Complete the Activity that `task_token` stands for."""
    # PART C: complete the Activity by its Task Token.
    # TODO PART C: get a handle by the Task Token from the client, call handle.complete() with
    # the result, and print "Activity completed."
    # END PART C


async def main() -> None:
    """Complete one Activity, or tell why Temporal refused."""
    task_token, result = read_arguments()
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config)
    try:
        await complete(client, task_token, result)
    except RPCError as error:
        sys.exit(f"Temporal refused the completion: {error.status.name}: {error.message}")


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
