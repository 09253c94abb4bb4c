"""Ringback lets anyone outside a Temporal worker finish a Temporal activity.

Importing it is fast and safe in workflow files: each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ringback.app.plugin import RingbackPlugin, run_gateway
    from ringback.completion.batch import Delivery, Ending, Progress
    from ringback.completion.batcher import Batcher
    from ringback.completion.client import AsyncCompletionClient
    from ringback.completion.failures import fail_with
    from ringback.completion.heartbeats import KeepAlive, Stopped
    from ringback.completion.manager import ActivityManager
    from ringback.completion.processing import Processing
    from ringback.completion.refs import ActivityRef
    from ringback.domain.completion_errors import (
        ActivityCancelledError,
        ActivityCompletionError,
        ActivityNotFoundError,
        ActivityPausedError,
        ActivityResetError,
        CompletionRefusedError,
        CompletionUnansweredError,
        CompletionUnprovenError,
        UnusableTokenError,
    )
    from ringback.domain.errors import (
        AnswerTooLargeError,
        ConfigurationError,
        FinalError,
        NotWiredError,
        RetryableError,
        RingbackError,
        StoreUnavailableError,
        TemporalUnreachableError,
    )
    from ringback.domain.link import Verb
    from ringback.domain.policy_checks import Escalation
    from ringback.domain.subject import Subject
    from ringback.worker.callback import Callback
    from ringback.worker.decide import wait_for_decision, wait_for_decision_sync
    from ringback.worker.decision import Decision, DecisionVote
    from ringback.worker.options import DecisionOptions, WaitOptions
    from ringback.worker.polling import NOT_YET, NotYet
    from ringback.worker.wait import (
        open_callback,
        open_callback_sync,
        wait_for_callback,
        wait_for_callback_sync,
    )

__version__ = "0.1.0"

__all__ = [
    "NOT_YET",
    "ActivityCancelledError",
    "ActivityCompletionError",
    "ActivityManager",
    "ActivityNotFoundError",
    "ActivityPausedError",
    "ActivityRef",
    "ActivityResetError",
    "AnswerTooLargeError",
    "AsyncCompletionClient",
    "Batcher",
    "Callback",
    "CompletionRefusedError",
    "CompletionUnansweredError",
    "CompletionUnprovenError",
    "ConfigurationError",
    "Decision",
    "DecisionOptions",
    "DecisionVote",
    "Delivery",
    "Ending",
    "Escalation",
    "FinalError",
    "KeepAlive",
    "NotWiredError",
    "NotYet",
    "Processing",
    "Progress",
    "RetryableError",
    "RingbackError",
    "RingbackPlugin",
    "Stopped",
    "StoreUnavailableError",
    "Subject",
    "TemporalUnreachableError",
    "UnusableTokenError",
    "Verb",
    "WaitOptions",
    "fail_with",
    "open_callback",
    "open_callback_sync",
    "run_gateway",
    "wait_for_callback",
    "wait_for_callback_sync",
    "wait_for_decision",
    "wait_for_decision_sync",
]

_HOMES: Final = {
    "Decision": "ringback.worker.decision",
    "DecisionOptions": "ringback.worker.options",
    "DecisionVote": "ringback.worker.decision",
    "Escalation": "ringback.domain.policy_checks",
    "Subject": "ringback.domain.subject",
    "wait_for_decision": "ringback.worker.decide",
    "wait_for_decision_sync": "ringback.worker.decide",
    "ActivityCancelledError": "ringback.domain.completion_errors",
    "ActivityCompletionError": "ringback.domain.completion_errors",
    "ActivityManager": "ringback.completion.manager",
    "ActivityNotFoundError": "ringback.domain.completion_errors",
    "ActivityPausedError": "ringback.domain.completion_errors",
    "ActivityRef": "ringback.completion.refs",
    "ActivityResetError": "ringback.domain.completion_errors",
    "AnswerTooLargeError": "ringback.domain.errors",
    "AsyncCompletionClient": "ringback.completion.client",
    "Batcher": "ringback.completion.batcher",
    "Callback": "ringback.worker.callback",
    "WaitOptions": "ringback.worker.options",
    "CompletionRefusedError": "ringback.domain.completion_errors",
    "CompletionUnansweredError": "ringback.domain.completion_errors",
    "CompletionUnprovenError": "ringback.domain.completion_errors",
    "ConfigurationError": "ringback.domain.errors",
    "Delivery": "ringback.completion.batch",
    "Ending": "ringback.completion.batch",
    "FinalError": "ringback.domain.errors",
    "KeepAlive": "ringback.completion.heartbeats",
    "NOT_YET": "ringback.worker.polling",
    "NotWiredError": "ringback.domain.errors",
    "NotYet": "ringback.worker.polling",
    "Processing": "ringback.completion.processing",
    "Progress": "ringback.completion.batch",
    "RetryableError": "ringback.domain.errors",
    "RingbackError": "ringback.domain.errors",
    "RingbackPlugin": "ringback.app.plugin",
    "Stopped": "ringback.completion.heartbeats",
    "StoreUnavailableError": "ringback.domain.errors",
    "TemporalUnreachableError": "ringback.domain.errors",
    "UnusableTokenError": "ringback.domain.completion_errors",
    "Verb": "ringback.domain.link",
    "fail_with": "ringback.completion.failures",
    "open_callback": "ringback.worker.wait",
    "open_callback_sync": "ringback.worker.wait",
    "run_gateway": "ringback.app.plugin",
    "wait_for_callback": "ringback.worker.wait",
    "wait_for_callback_sync": "ringback.worker.wait",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'ringback' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
