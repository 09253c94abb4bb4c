"""Steps: who said what to whom, as lines in the log that a program can follow.

No step holds a link, a task token or an answer's content.
"""

import logging
from enum import StrEnum

logger = logging.getLogger("ringback.demo")


class Party(StrEnum):
    """Who takes part in a call."""

    CLIENT = "client"
    TEMPORAL = "Temporal"
    WORKER = "worker"
    SERVICE = "service"
    GATEWAY = "gateway"


def step(who: Party, whom: Party, what: str) -> None:
    """Log that `who` said `what` to `whom`."""
    logger.info("step", extra={"who": who.value, "whom": whom.value, "what": what})
