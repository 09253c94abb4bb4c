"""The outside service: it is asked for work, says 200, and calls back when the work is done.

It stands for somebody else's program: it knows HTTP and the URLs that it was given, and nothing of
Temporal. What it was asked is in memory only; a restart forgets it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Annotated, Final
from uuid import uuid4

from fastapi import FastAPI, Header
from pydantic import AfterValidator, BaseModel, Field, HttpUrl, TypeAdapter

from ringback.app.system import SystemClock
from ringback.core.services import run_services
from ringback.demo.request import ActivityAction
from ringback.demo.steps import OnStep, log_step
from ringback.demo.work import Order, Work
from ringback.ports.clock import Clock

_DAY_SECONDS: Final = 24 * 60 * 60

Seconds = Annotated[int, Field(ge=0, le=_DAY_SECONDS)]


_HTTP_URL: Final = TypeAdapter(HttpUrl)


def _check_url(text: str) -> str:
    _HTTP_URL.validate_python(text)
    return text


Url = Annotated[str, AfterValidator(_check_url)]
"""An HTTP URL, as it is written: `HttpUrl` would change it."""


class WorkRequest(BaseModel):
    """The body of `POST /request`.

    Attributes:
        time_to_request: After how many seconds the request is answered.
        time_to_callback: How many seconds after the request arrived the service calls back.
        activity_action: What it asks of the activity then. It is in the body of the callback.
        callback_url: Where to call back. The service uses it as it is.
        action_urls: Where to call back for single actions instead, with a body without the action.
    """

    time_to_request: Seconds = 1
    time_to_callback: Seconds = 10
    activity_action: ActivityAction = ActivityAction.COMPLETE
    callback_url: Url
    action_urls: dict[ActivityAction, Url] = Field(default_factory=dict)


class WorkAccepted(BaseModel):
    """The reply to `POST /request`.

    Attributes:
        request_id: The request's idempotency key, or the name that it was given without one.
        is_repeated: Whether it was asked before; then the work was not begun a second time.
    """

    request_id: str
    is_repeated: bool


IdempotencyKey = Annotated[
    str, Header(default_factory=lambda: uuid4().hex, min_length=1, max_length=255)
]


def create_service(clock: Clock | None = None, on_step: OnStep = log_step) -> FastAPI:
    """Return the service as an application; its lifespan owns the work.

    Args:
        clock: What time passes by; without it, this machine's.
        on_step: Gets each step of the service.
    """
    clock = clock or SystemClock()
    work = Work(clock, on_step)
    service = FastAPI(title="The demo's outside service", lifespan=_lifespan_of(work))

    @service.post("/request")
    async def request(wanted: WorkRequest, idempotency_key: IdempotencyKey) -> WorkAccepted:
        """Enqueue the work; reply when the time to request has passed."""
        is_new = work.begin(_to_order(idempotency_key, wanted))
        await clock.sleep(timedelta(seconds=wanted.time_to_request))
        return WorkAccepted(request_id=idempotency_key, is_repeated=not is_new)

    @service.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Tell that the service answers."""
        return {"status": "ok"}

    return service


def _to_order(key: str, wanted: WorkRequest) -> Order:
    return Order(
        key=key,
        time_to_callback=timedelta(seconds=wanted.time_to_callback),
        activity_action=wanted.activity_action,
        callback_url=wanted.callback_url,
        action_urls=wanted.action_urls,
    )


def _lifespan_of(work: Work) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with run_services(work):
            yield

    return lifespan
