"""The activity: it calls the service, and completes asynchronously with the callback.

What such an activity does by hand in a second method, on the callback, Ringback's gateway does.
"""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx2
from temporalio import activity

from ringback import Callback, wait_for_callback
from ringback.demo.request import ActivityAction, CallRequest
from ringback.demo.steps import OnStep, Party, Step, log_step


def extend_path(url: str, *segments: str) -> str:
    """Return `url` with `segments` behind its path; a query stays where it was."""
    parts = urlsplit(url)
    path = "/".join([parts.path.rstrip("/"), *segments])
    return parts._replace(path=path).geturl()


_SLACK: Final = timedelta(seconds=10)
"""How much longer than announced the service may take to reply."""


_VERBS: Final = {
    ActivityAction.COMPLETE: "complete",
    ActivityAction.HEARTBEAT: "heartbeat",
    ActivityAction.FAIL: "fail",
    ActivityAction.REPORT_CANCELLATION: "cancel",
    ActivityAction.IGNORE: "heartbeat",
}
"""The verb of the link for each action. A heartbeat ends nothing, so the activity ignores it."""


class ServiceRefusedError(Exception):
    """The service does not take this request; asking again changes nothing."""


class ServiceUnavailableError(Exception):
    """The service could not be reached, or cannot take the request now; ask again."""


class HttpApiGateway:
    """Speaks HTTP with the outside service."""

    def __init__(self, service_url: str, on_step: OnStep = log_step) -> None:
        """Speak with the service at `service_url`, and report steps to `on_step`."""
        self._service_url = service_url
        self._on_step = on_step

    async def request(self, request: CallRequest, callback: Callback) -> None:
        """Ask for the work of `request`, to be answered on `callback`.

        It may be repeated: the service knows the work by the callback's id.

        Raises:
            ServiceRefusedError: The service does not take it; asking again changes nothing.
            ServiceUnavailableError: The service cannot be reached, or not now; ask again.
        """
        self._on_step(Step(Party.WORKER, Party.SERVICE, f"POST /request ({callback.id})"))
        try:
            reply = await self._post(request, callback)
        except httpx2.TransportError as exc:
            self._on_step(Step(Party.SERVICE, Party.WORKER, "cannot be reached"))
            msg = f"the service cannot be reached ({type(exc).__name__})"
            # The layers below would fill a page of each attempt's log, and say no more.
            raise ServiceUnavailableError(msg) from None
        self._on_step(Step(Party.SERVICE, Party.WORKER, str(reply.status_code)))
        _check(reply.status_code)

    async def _post(self, request: CallRequest, callback: Callback) -> httpx2.Response:
        timeout = timedelta(seconds=request.time_to_request) + _SLACK
        async with httpx2.AsyncClient(timeout=timeout.total_seconds()) as http:
            return await http.post(
                extend_path(self._service_url, "request"),
                json={
                    "time_to_request": request.time_to_request,
                    "time_to_callback": request.time_to_callback,
                    "activity_action": request.activity_action.value,
                    "callback_url": callback.url,
                    "action_urls": {
                        action: extend_path(callback.url, verb) for action, verb in _VERBS.items()
                    },
                },
                headers={"Idempotency-Key": callback.id},
            )


def _check(status: int) -> None:
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        msg = f"the service cannot take the request now (status {status})"
        raise ServiceUnavailableError(msg)
    msg = f"the service refused the request (status {status})"
    raise ServiceRefusedError(msg)


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
