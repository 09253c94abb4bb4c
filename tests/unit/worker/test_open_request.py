"""The options of a worker reach the gateway unchanged."""

from dataclasses import replace
from datetime import timedelta

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from ringback.domain.exact_json import members
from ringback.domain.options import Attempts, CallbackOptions
from ringback.domain.policy_checks import Escalation
from ringback.gateway.api.routers.workers import _to_options
from ringback.schemas.requests import OpenIn
from ringback.worker.gateway_runtime import to_open_request
from ringback.worker.options import to_options
from ringback.worker.runtime import to_ref


def test_every_option_of_a_worker_reaches_the_gateway() -> None:
    failure = ApplicationError("too late", type="Late", non_retryable=True)
    options = to_options(
        object,
        failure,
        deadline=timedelta(hours=1),
        resume=True,
        follow_reset=True,
        heartbeat="gateway",
        cancel_within=timedelta(seconds=1.5),
        cancel_url="https://outside.example/cancel",
        notify_url="https://outside.example/notify",
        title="Charge",
        description="*Charge* it",
        details={"euros": [1, {"of": None}]},
        assignees=["user:ada@example.org", "group:finance"],
        exclude=["bob@example.org"],
        link_decides=True,
        notify=["mail", "slack:#finance"],
        remind_every=timedelta(hours=4),
        escalate=[Escalation(timedelta(minutes=90), ("group:board",))],
        aliases=["shop:order:42"],
        tags=["vip", "eu", "vip"],
        metadata={"order": [1, {"of": None}]},
    )

    is_default = {name for name, value in defaults().items() if getattr(options, name) == value}
    assert is_default == {"attempts", "poll", "poll_every"}, "others exclude another value"
    assert sent(options) == options
    each = replace(options, resume=False, attempts=Attempts.CURRENT)
    assert sent(each) == each
    polls = replace(options, policy=None, escalate=(), poll=True, poll_every=timedelta(minutes=10))
    assert sent(polls) == polls


def test_options_that_are_not_given_reach_the_gateway_as_their_defaults() -> None:
    assert sent(to_options(object)) == CallbackOptions()


def defaults() -> dict[str, object]:
    plain = CallbackOptions()
    return {name: getattr(plain, name) for name in (*plain.to_plain(), "on_deadline")}


def sent(options: CallbackOptions) -> CallbackOptions:
    """Return the options as the gateway reads them from a worker's request."""
    info = ActivityEnvironment.default_info()
    body = to_open_request(info, to_ref(info), options, schema=None, worker="the worker")
    return _to_options(OpenIn.model_validate_json(body).options, members(members(body)["options"]))
