"""Approval of the tool calls of agents that run in workflows.

Importing it is fast and safe in workflow files: each name is loaded when it is first used, and an
agent framework only by its own module, such as `ringback.agents.openai`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ringback.agents.activity import ApprovalOptions, approvals
    from ringback.agents.approval import Approval, ToolCall
    from ringback.agents.questions import AskOptions, ask

__all__ = ["Approval", "ApprovalOptions", "AskOptions", "ToolCall", "approvals", "ask"]

_HOMES: Final = {
    "Approval": "ringback.agents.approval",
    "ApprovalOptions": "ringback.agents.activity",
    "AskOptions": "ringback.agents.questions",
    "ToolCall": "ringback.agents.approval",
    "approvals": "ringback.agents.activity",
    "ask": "ringback.agents.questions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'ringback.agents' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
