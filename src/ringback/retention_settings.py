"""Settings of what is kept, and for how long: part of `ringback.settings`."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings

from ringback.schemas.values import Duration

FOREVER: Final = "forever"


def _or_forever(given: object) -> object:
    return None if isinstance(given, str) and given.strip().lower() == FOREVER else given


KeptFor = Annotated[Duration | None, BeforeValidator(_or_forever)]
"""How long something is kept; `None` is forever."""


class RetentionSettings(BaseSettings):
    """The settings of what is kept, and for how long.

    Attributes:
        keep_ended_for: How long a callback is kept after its end, with its answer and its history,
            as `90d`, or `forever`. Events of sources are kept as long. Then they are deleted.
            Callbacks that are open, accepted or parked are never deleted.
        drop_bodies_after: How long after the end of a callback its bodies are kept, as `1d`: those
            of its answer, losing answers, votes, heartbeats and events. By default as long as the
            callback. Without its body, an event cannot be replayed.
        encrypt_bodies: Whether this gateway encrypts bodies before it stores them, by the payload
            codec of `data_converter`: those of answers, votes and heartbeats. Stored ones are
            decrypted in any case.
    """

    keep_ended_for: KeptFor = timedelta(days=90)
    drop_bodies_after: Duration | None = None
    encrypt_bodies: bool = False
