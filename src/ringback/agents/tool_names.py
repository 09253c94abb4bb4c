"""The names of the tools that an adapter asks about."""

from collections.abc import Collection, Iterable


def check_named(tools: Iterable[str]) -> frozenset[str]:
    """Return the names.

    Raises:
        ValueError: There is none.
    """
    named = frozenset(tools)
    if not named:
        msg = "name at least one tool that people must approve"
        raise ValueError(msg)
    return named


def check_known(named: Collection[str], known: Collection[str]) -> None:
    """Check that the agent has the tools: a misspelled one would run without approval.

    Raises:
        ValueError: It has not.
    """
    unknown = sorted(set(named) - set(known))
    if unknown:
        msg = (
            f"the agent has no tool {', '.join(unknown)}, which people must approve; it has"
            f" {', '.join(sorted(known)) or 'none'}"
        )
        raise ValueError(msg)
