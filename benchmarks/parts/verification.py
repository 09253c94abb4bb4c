"""Verification: how long the signature of one webhook takes, for each row of the table."""

import time
from collections.abc import Iterable
from statistics import median
from typing import Final

from benchmarks.bench import TIMES, Bench
from benchmarks.figures import Bar, Figures, Measured, Notes
from ringback.sources.scheme import NEEDS_EXTRA
from ringback.sources.signature_table import PROVIDERS
from ringback.sources.signatures import Verifier
from tests.unit.sources.signers import SIGNED, certificate
from tests.unit.sources.vectors import Signed

WORK: Final = "verification"
TITLE: Final = "Verification of webhooks"
OURS: Final = "median of all rows"
COMPARED: Final = ""
PLOTTED: Final = ()

METHOD: Final = """
How much processor time it takes to verify the signature of one small request, for the rows of the
signature table that take longest. Each figure is the least of nine series of 50 requests. Rows
with public keys need as long as their algorithm.
"""

_AT: Final = "one request"
_TIME: Final = "time"
_HMAC: Final = "slowest row without public keys"
_SHOWN: Final = 10
_SERIES: Final = 9
_REQUESTS: Final = 50


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure every row, and note the slowest ones."""
    pem = certificate()
    notes = Notes()
    times: dict[str, list[float]] = {name: [] for name in SIGNED}
    for _ in range(1 if bench.is_quick else TIMES):
        for name, signed in SIGNED.items():
            verifier = Verifier(PROVIDERS[name], [signed.secret], fetch=lambda _: pem)
            times[name].append(_microseconds(verifier, signed))
    slowest = sorted(times, key=lambda name: median(times[name]), reverse=True)
    without_keys = next(one for one in slowest if PROVIDERS[one].check not in NEEDS_EXTRA)
    shown = {PROVIDERS[name].title: times[name] for name in slowest[:_SHOWN]}
    each = [median(one) for one in zip(*times.values(), strict=True)]
    for of, values in {OURS: each, _HMAC: times[without_keys], **shown}.items():
        for value in values:
            notes.add(value, "us", of=of, at=_AT, what=_TIME)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bar of a verification."""
    values = figures.values(_HMAC, at=_AT, what=_TIME)
    yield Bar("slowest row without public keys", 20, values, unit="us", is_ceiling=True)


def _microseconds(verifier: Verifier, signed: Signed) -> float:
    request, series = signed.request(), []
    for _ in range(_SERIES):
        began = time.thread_time()
        for _ in range(_REQUESTS):
            verifier.verify(request, signed.now)
        series.append((time.thread_time() - began) / _REQUESTS)
    return 1e6 * min(series)
