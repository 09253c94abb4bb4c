"""Check what tests pass to the kit: a misspelled word fails instead of changing nothing."""

from collections.abc import Iterable, Sequence


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
