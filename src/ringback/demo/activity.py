"""The activity: it calls the service, and completes asynchronously with the callback.

What the seed's activity did in a second method, on the callback, Ringback's gateway does.
"""

from typing import Any, Final, cast

from temporalio import activity

from ringback import Callback, wait_for_callback
from ringback.demo.http_api_gateway import HttpApiGateway
from ringback.demo.request import CallRequest
from ringback.demo.steps import OnStep, Party, Step, log_step

_ANY_JSON: Final = cast("type[Any]", Any)
"""Any JSON: an answer that the workflow cannot read would block it forever."""


class AsyncActivity:
    """The activity, with its client of the service."""

    def __init__(self, gateway: HttpApiGateway, on_step: OnStep = log_step) -> None:
        """Ask through `gateway`, and report steps to `on_step`."""
        self._gateway = gateway
        self._on_step = on_step

    @activity.defn(name="call_service")
    async def run(self, request: CallRequest) -> Any:
        """Call the service, and end with its answer to the callback.

        Raises:
            ServiceRefusedError: The service rejected the request; Temporal does not retry.
            ServiceUnavailableError: The service is unavailable; Temporal retries.
            ApplicationError: The answer exists already, and is a failure.
        """
        attempt = activity.info().attempt
        self._on_step(Step(Party.TEMPORAL, Party.WORKER, f"run the activity (attempt {attempt})"))

        async def submit(callback: Callback) -> None:
            await self._gateway.request(request, callback)
            self._on_step(
                Step(Party.WORKER, Party.TEMPORAL, "asked; the callback will end the activity")
            )

        return await wait_for_callback(submit, _ANY_JSON, heartbeat="gateway")
