"""The tool of the tests' agents, and what their scripted models do.

A model is sent `{"calls": [{"order": "o1", "euros": 50}]}`. It makes these calls, at once, and
replies with the outputs that it was given, as JSON. With `"one_by_one": true`, it makes the next
call when it has the output of the one before. `"approve": ["pay"]` names the tools that people must
approve.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from temporalio import activity


@activity.defn
async def refund(order: str, euros: int) -> str:
    """Pay money back.

    Args:
        order: The order.
        euros: How much.
    """
    return f"refunded {order} {euros}"


@activity.defn
async def donate(euros: Decimal) -> str:
    """Give money away. The schema of its argument says less than its type."""
    return f"donated {euros}"


@activity.defn
async def lend(euros: "Decimal") -> str:
    """Lend money. In a module with postponed annotations all types are text."""
    return f"lent {euros}"


@activity.defn
async def ping() -> str:
    """Do something without arguments."""
    return "pong"


TOOLS: dict[str, Callable[..., Any]] = {
    "refund": refund,
    "donate": donate,
    "lend": lend,
    "ping": ping,
}


def tool_name(text: str) -> str:
    """Return the name of the tool that the prompt wants."""
    name: str = json.loads(text).get("tool", "refund")
    return name


def to_calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the id and the arguments of each call that the prompt wants."""
    return [
        (one.pop("id", f"call_{number}"), one)
        for number, one in enumerate(json.loads(text)["calls"])
    ]


def to_next_calls(text: str, done: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls that the model makes after it got so many outputs."""
    calls = to_calls(text)[done:]
    return calls[:1] if json.loads(text).get("one_by_one") else calls


def approved(text: str) -> list[str]:
    """Return the names of the tools that people must approve."""
    names: list[str] = json.loads(text).get("approve", [tool_name(text)])
    return names
