"""Choose one of the callbacks that are open, and name them in errors."""

from collections.abc import Mapping
from typing import Any, TypedDict

from ringback.schemas.responses import CallbackOut


class Which(TypedDict, total=False):
    """Which callback is meant; all that is given must fit. Without any, there must be only one.

    Attributes:
        title: Its title.
        workflow_id: The id of its workflow.
        activity_id: The id of its activity.
        activity_type: The type of its activity.
        alias: One of its aliases.
    """

    title: str
    workflow_id: str
    activity_id: str
    activity_type: str
    alias: str


def fits(found: CallbackOut, which: Which) -> bool:
    """Return whether a callback is meant."""
    given: dict[str, Any] = {**which}
    alias = given.pop("alias", None)
    has_all = all(getattr(found, name) == value for name, value in given.items())
    return has_all and (alias is None or alias in found.aliases)


def format_which(which: Mapping[str, object]) -> str:
    """Return the choice as words of an error."""
    return " and ".join(f"{name}={value!r}" for name, value in which.items())


def describe(found: CallbackOut) -> str:
    """Return a callback as words of an error."""
    facts: dict[str, object] = {
        "title": found.title,
        "workflow_id": found.workflow_id,
        "activity_type": found.activity_type,
    }
    if found.aliases:
        facts["aliases"] = found.aliases
    if found.submitted_at is None:
        facts["submitted"] = False
    return f"{found.id} ({', '.join(f'{name}={value!r}' for name, value in facts.items())})"
