"""A gateway to the HTTP service: what it is asked, and what it calls back with."""

from dataclasses import dataclass
from enum import StrEnum

import httpx2


class ActivityAction(StrEnum):
    """What the activity does when the callback has arrived."""

    HEARTBEAT = "heartbeat"
    COMPLETE = "complete"
    FAIL = "fail"
    REPORT_CANCELLATION = "report_cancellation"
    IGNORE = "ignore"


@dataclass
class CallRequest:
    """What the client asks for, and the workflow's input."""

    time_to_request: int = 1
    time_to_callback: int = 10
    activity_action: ActivityAction = ActivityAction.COMPLETE
    patience: int = 15


@dataclass
class Answer:
    """What the service posts to the callback URL."""

    activity_action: ActivityAction
    message: str


class HttpApiGateway:
    """Speaks HTTP with the service."""

    def __init__(self, service_url: str) -> None:
        """Speak with the service at `service_url`."""
        self._service_url = service_url

    async def request(self, request: CallRequest, callback_url: str) -> None:
        """Ask for the work of `request`; the service calls back at `callback_url`."""
        async with httpx2.AsyncClient(timeout=request.time_to_request + 10) as http:
            reply = await http.post(
                f"{self._service_url}/request",
                json={
                    "callback_url": callback_url,
                    "time_to_request": request.time_to_request,
                    "time_to_callback": request.time_to_callback,
                    "activity_action": request.activity_action,
                },
            )
        reply.raise_for_status()
