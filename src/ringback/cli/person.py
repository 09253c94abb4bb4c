"""The person in whose name a command decides."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

import typer

from ringback.domain.errors import GatewayRefusedError
from ringback.domain.policy import EXCLUDED

Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="A group of the approver; may be repeated. Not authenticated."),
]

_TITLE: Final = "not assigned"


@contextmanager
def deciding_as(person: str | None, groups: Sequence[str]) -> Iterator[None]:
    """Say in whose name a command decided, and how to name somebody else, if that is refused.

    Raises:
        GatewayRefusedError: The gateway refused what the block asked for.
    """
    try:
        yield
    except GatewayRefusedError as exc:
        is_another_refusal = exc.status != HTTPStatus.FORBIDDEN or exc.title != _TITLE
        # An excluded person must not be told to name somebody else.
        if is_another_refusal or str(exc) == EXCLUDED:
            raise
        among = f"with --group {', '.join(groups)}" if groups else "without --group"
        msg = (
            f"{exc}: this was in the name of {person}, {among}; name the person with --by, and"
            " each of their groups with --group"
        )
        raise GatewayRefusedError(msg, status=exc.status, title=exc.title) from None
