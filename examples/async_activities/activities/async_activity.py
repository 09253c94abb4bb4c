"""Option 1: the task token travels in the callback URL, and this program receives the callback.

The activity has two methods. `run` calls the service and completes asynchronously. `callback` runs
when the service has called back, and ends the activity by its task token. README.md shows what
this loses.
"""

import base64

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from gateways.http_api_gateway import ActivityAction, Answer, CallRequest, HttpApiGateway


class AsyncActivity:
    """The activity, with its clients of the service and of Temporal."""

    def __init__(self, gateway: HttpApiGateway, client: Client, http_url: str) -> None:
        """Call the service through `gateway`; `http_url` is where this worker's server listens."""
        self._gateway = gateway
        self._client = client
        self._http_url = http_url

    @activity.defn(name="call_service")
    async def run(self, request: CallRequest) -> str:
        """Call the service, and leave the end of the activity to `callback`."""
        token = base64.urlsafe_b64encode(activity.info().task_token).decode()
        await self._gateway.request(request, f"{self._http_url}/callback?task_token={token}")
        print("run: the service has the request", flush=True)
        activity.raise_complete_async()

    async def callback(self, task_token: bytes, answer: Answer) -> None:
        """Continue after the callback, and end the activity.

        Raises:
            RPCError: Temporal refuses. NOT_FOUND says that no running attempt has this token.
            AsyncActivityCancelledError: A heartbeat has found that the activity should stop.
        """
        handle = self._client.get_async_activity_handle(task_token=task_token)
        print(f"callback: business logic for {answer.activity_action}", flush=True)
        match answer.activity_action:
            case ActivityAction.COMPLETE:
                await handle.complete(answer.message)
            case ActivityAction.HEARTBEAT:
                await handle.heartbeat("the callback has arrived")
                await handle.complete(answer.message)
            case ActivityAction.FAIL:
                failure = ApplicationError(answer.message, type="WorkFailed", non_retryable=True)
                await handle.fail(failure)
            case ActivityAction.REPORT_CANCELLATION:
                await handle.report_cancellation(answer.message)
            case ActivityAction.IGNORE:
                pass
