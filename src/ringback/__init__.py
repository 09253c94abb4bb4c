"""Ringback lets anyone outside a Temporal worker finish a Temporal activity.

Importing it is light, and safe in a file that defines workflows: each name is loaded when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ringback.app.plugin import RingbackPlugin
    from ringback.domain.errors import (
        ConfigurationError,
        FinalError,
        NotWiredError,
        RetryableError,
        RingbackError,
        StoreUnavailableError,
        TemporalUnreachableError,
    )
    from ringback.domain.link import Verb
    from ringback.worker.callback import Callback
    from ringback.worker.wait import (
        open_callback,
        open_callback_sync,
        wait_for_callback,
        wait_for_callback_sync,
    )

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "ConfigurationError",
    "FinalError",
    "NotWiredError",
    "RetryableError",
    "RingbackError",
    "RingbackPlugin",
    "StoreUnavailableError",
    "TemporalUnreachableError",
    "Verb",
    "open_callback",
    "open_callback_sync",
    "wait_for_callback",
    "wait_for_callback_sync",
]

_HOMES: Final = {
    "Callback": "ringback.worker.callback",
    "ConfigurationError": "ringback.domain.errors",
    "FinalError": "ringback.domain.errors",
    "NotWiredError": "ringback.domain.errors",
    "RetryableError": "ringback.domain.errors",
    "RingbackError": "ringback.domain.errors",
    "RingbackPlugin": "ringback.app.plugin",
    "StoreUnavailableError": "ringback.domain.errors",
    "TemporalUnreachableError": "ringback.domain.errors",
    "Verb": "ringback.domain.link",
    "open_callback": "ringback.worker.wait",
    "open_callback_sync": "ringback.worker.wait",
    "wait_for_callback": "ringback.worker.wait",
    "wait_for_callback_sync": "ringback.worker.wait",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'ringback' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
