"""A process that checks results; the kernel ends it when a check exceeds its limits."""

import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Final

from ringback.result_schema.validate import find_problems, why_unusable

MOST_CPU_SECONDS: Final = 0.5
MOST_MEMORY: Final = 1024 * 1024 * 1024


def main(descriptor: int) -> None:
    """Reply to requests on a connection until the other side closes it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with Connection(descriptor) as connection:
        while True:
            try:
                schema, result, is_result = connection.recv()
            except EOFError:
                return
            # CPU time, not wall time: a busy machine must not fail a small check.
            signal.setitimer(signal.ITIMER_PROF, MOST_CPU_SECONDS)
            reply = find_problems(schema, result) if is_result else why_unusable(schema)
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send(reply)


if __name__ == "__main__":
    main(int(sys.argv[1]))
