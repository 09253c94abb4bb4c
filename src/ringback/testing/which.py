"""Choose one of the callbacks that are open, and check what tests pass to the kit."""

from collections.abc import Iterable, Mapping, Sequence
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


def check_names(given: Iterable[str], kind: type) -> None:
    """Check that keyword arguments are keys of `kind`, a `TypedDict`.

    Raises:
        TypeError: One is not; the message lists those that are.
    """
    known = kind.__annotations__
    for name in given:
        if name not in known:
            msg = f"unknown argument {name!r}; those of {kind.__name__} are {', '.join(known)}"
            raise TypeError(msg)


def check_moment(when: str, moments: Sequence[str], *, hint: str = "") -> None:
    """Check that `when` is one of `moments`; `hint` ends the message otherwise.

    Raises:
        ValueError: It is not; the message lists those that are.
    """
    if when not in moments:
        msg = f"when={when!r} is not possible here; use {', '.join(map(repr, moments))}{hint}"
        raise ValueError(msg)
