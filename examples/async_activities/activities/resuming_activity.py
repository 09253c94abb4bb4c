"""Option 2: the same with Ringback. The activity is one function, which continues after its wait.

The link in the callback URL is signed and contains no task token. Ringback's gateway receives the
callback, stores it, and lets the activity continue with it on a worker.
"""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from gateways.http_api_gateway import ActivityAction, Answer, CallRequest, HttpApiGateway
from ringback import Callback, wait_for_callback


class ResumingActivity:
    """The activity, with its client of the service."""

    def __init__(self, gateway: HttpApiGateway) -> None:
        """Call the service through `gateway`."""
        self._gateway = gateway

    @activity.defn(name="call_service")
    async def run(self, request: CallRequest) -> str:
        """Call the service, wait for its callback, and continue with it.

        Raises:
            ApplicationError: The service could not do the work.
        """

        async def submit(callback: Callback) -> None:
            await self._gateway.request(request, callback.url)
            print("run: the service has the request", flush=True)

        answer = await wait_for_callback(submit, Answer, resume=True)

        print(f"callback: business logic for {answer.activity_action}", flush=True)
        match answer.activity_action:
            case ActivityAction.COMPLETE:
                return answer.message
            case ActivityAction.HEARTBEAT:
                activity.heartbeat("the callback has arrived")
                return answer.message
            case ActivityAction.FAIL:
                raise ApplicationError(answer.message, type="WorkFailed", non_retryable=True)
            case ActivityAction.REPORT_CANCELLATION:
                # An activity that was asked to cancel ends at its wait, as canceled.
                msg = "no cancellation was requested"
                raise ApplicationError(msg, non_retryable=True)
            case ActivityAction.IGNORE:
                activity.raise_complete_async()
