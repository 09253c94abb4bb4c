"""The test kit: activities without a server, a gateway in the process of a test, and fakes.

Each name is loaded when it is first used. For a real store in a test, see
`ringback.testing.in_memory_database`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ringback.testing.activity_env import ActivityTestEnvironment
    from ringback.testing.activity_options import ActivityOptions
    from ringback.testing.activity_run import ActivityRun
    from ringback.testing.environments import activity_environment, gateway_environment
    from ringback.testing.fake_activities import ExactResults, FakeActivities, FakeIdentifier
    from ringback.testing.fake_completion_client import FakeCompletionClient, FakeWaitingActivity
    from ringback.testing.gateway_env import GatewayTestEnvironment
    from ringback.testing.manual_clock import ManualClock
    from ringback.testing.open_callback import Moment, OpenCallback
    from ringback.testing.senders import Early
    from ringback.testing.which import Which

__all__ = [
    "ActivityOptions",
    "ActivityRun",
    "ActivityTestEnvironment",
    "Early",
    "ExactResults",
    "FakeActivities",
    "FakeCompletionClient",
    "FakeIdentifier",
    "FakeWaitingActivity",
    "GatewayTestEnvironment",
    "ManualClock",
    "Moment",
    "OpenCallback",
    "Which",
    "activity_environment",
    "gateway_environment",
]

_HOMES: Final = {
    "ActivityOptions": "activity_options",
    "ActivityRun": "activity_run",
    "ActivityTestEnvironment": "activity_env",
    "Early": "senders",
    "ExactResults": "fake_activities",
    "FakeActivities": "fake_activities",
    "FakeCompletionClient": "fake_completion_client",
    "FakeIdentifier": "fake_activities",
    "FakeWaitingActivity": "fake_completion_client",
    "GatewayTestEnvironment": "gateway_env",
    "ManualClock": "manual_clock",
    "Moment": "open_callback",
    "OpenCallback": "open_callback",
    "Which": "which",
    "activity_environment": "environments",
    "gateway_environment": "environments",
}


def __getattr__(name: str) -> Any:
    """Load a name.

    Raises:
        AttributeError: There is no such name.
        ModuleNotFoundError: The extra `testing` is not installed.
    """
    if name not in _HOMES:
        msg = f"module 'ringback.testing' has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        return getattr(import_module(f"ringback.testing.{_HOMES[name]}"), name)
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("ringback"):
            raise
        msg = f"ringback.testing.{name} needs {exc.name}; run: pip install 'ringback[testing]'"
        raise ModuleNotFoundError(msg, name=exc.name) from exc


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
