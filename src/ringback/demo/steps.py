"""Steps: who said what to whom.

Each party of a call reports its steps to a function that it is given. No step holds a link, a task
token or the content of an answer.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

logger = logging.getLogger("ringback.demo")


class Party(StrEnum):
    """A party of a call."""

    CLIENT = "client"
    TEMPORAL = "Temporal"
    WORKER = "worker"
    SERVICE = "service"
    GATEWAY = "gateway"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Step:
    """`who` said `what` to `whom`."""

    who: Party
    whom: Party
    what: str


OnStep = Callable[[Step], None]


def log_step(step: Step) -> None:
    """Log `step`."""
    facts = {"who": step.who.value, "whom": step.whom.value, "what": step.what}
    logger.info("step", extra=facts)
