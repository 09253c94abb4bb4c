"""The tool of the tests' agents, and what their scripted models do.

A model is sent `{"calls": [{"order": "o1", "euros": 50}]}`. It makes these calls, and replies with
the outputs that it was given, as JSON.
"""

import json
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


def to_calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the id and the arguments of each call that the prompt wants."""
    return [
        (one.pop("id", f"call_{number}"), one)
        for number, one in enumerate(json.loads(text)["calls"])
    ]
