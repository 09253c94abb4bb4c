"""Errors about what was deleted. The tree of all errors is in `ringback.domain.errors`."""

from typing import NoReturn

from ringback.domain.errors import FinalError, UnknownCallbackError


class DeletedCallbackError(FinalError):
    """The link is valid, but its callback is not stored: it ended long ago, and was deleted.

    `RINGBACK_KEEP_ENDED_FOR` says how long after its end a callback is kept. After a restore of an
    older backup, it may also have been opened after that backup.
    """

    def __init__(self) -> None:
        super().__init__(
            "the callback of this link and its answer were deleted, because it ended long ago; do"
            " not send it again"
        )


def refuse_missing(serial: int | None) -> NoReturn:
    """Raise the error about a callback that is not stored.

    Somebody who came by a link, which has a `serial`, learns that the callback is gone: the
    signature proves that it was there. Anybody else may have invented the id.

    Raises:
        UnknownCallbackError: Nobody knows that it was there.
        DeletedCallbackError: It was there.
    """
    if serial is None:
        raise UnknownCallbackError
    raise DeletedCallbackError
