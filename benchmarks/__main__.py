"""The command: `python -m benchmarks`, run by `make bench`."""

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.bench import Bench, Part
from benchmarks.figures import Figures
from benchmarks.machine import machine, versions
from benchmarks.page import PLOTS, RESULTS, section
from benchmarks.parts import ALONE, PARTS
from benchmarks.plots import plot
from benchmarks.programs import MissingToolError, NotStartedError
from benchmarks.results import Outcome, Results, save
from benchmarks.wrk import DriveError
from docs.generate import SPEED, write
from ringback.app.exits import run_command
from ringback.app.program import run

_ROOT: Final = Path(__file__).parents[1]
_RIVALS: Final = _ROOT / "benchmarks" / ".rivals"
_ASIDE: Final = _ROOT / "build" / "bench"
"""Where a run that is not whole writes."""

_KNOWN: Final = {**PARTS, **ALONE}
_CANNOT: Final = 2
_OPEN_FILES: Final = 65_536


def main(
    only: Annotated[str, typer.Option(help=f"Parts, with commas: {', '.join(_KNOWN)}.")] = "",
    quick: Annotated[bool, typer.Option(help="See that all works; figures mean little.")] = False,
    rivals: Annotated[Path, typer.Option(help="Where make rivals put others.")] = _RIVALS,
    folder: Annotated[
        Path | None, typer.Option(help="Where stores are kept: a disk that matters to you.")
    ] = None,
) -> None:
    """Measure Ringback beside what people would use instead; a whole run writes the docs' page."""
    chosen = _chosen(only)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Programs that are started inherit it; thousands of connections are open at once.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _OPEN_FILES), most))
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="ringback-bench-", dir=folder) as name:
        # PostgreSQL does not run as root, and must get to its data.
        Path(name).chmod(0o711)
        bench = Bench(Path(name), _ROOT, rivals.resolve(), is_quick=quick, say=console.print)
        try:
            results = run(_results(bench, chosen))
        except (MissingToolError, NotStartedError, DriveError) as exc:
            print(f"bench: {exc}", file=sys.stderr)
            raise typer.Exit(_CANNOT) from exc
    _keep(results, _result_file(chosen, is_quick=quick))
    for work, outcome in results.parts.items():
        print(f"\n{_KNOWN[work].TITLE}\n\n{section(_KNOWN[work], outcome)}")


def _chosen(only: str) -> list[str]:
    names = [name.strip() for name in only.split(",") if name.strip()] or list(PARTS)
    if unknown := set(names) - set(_KNOWN):
        msg = f"unknown: {', '.join(sorted(unknown))}"
        raise typer.BadParameter(msg, param_hint="--only")
    return names


async def _results(bench: Bench, works: list[str]) -> Results:
    began, made_on = time.monotonic(), datetime.now(UTC).date().isoformat()  # noqa: TID251 - a date for people
    here, known = machine(bench.folder), versions(bench.rivals)
    parts: dict[str, Outcome] = {}
    for work in works:
        bench.say(f"{_KNOWN[work].TITLE} …")
        parts[work] = await _outcome(bench, _KNOWN[work])
        results = Results(
            made_on=made_on,
            minutes=(time.monotonic() - began) / 60,
            is_quick=bench.is_quick,
            machine=here,
            versions=known,
            parts=parts,
        )
        # What was measured is kept if the rest is stopped.
        save(results, _ASIDE / RESULTS.name)
        bench.say(f"… after {results.minutes:.1f} minutes")
    return results


async def _outcome(bench: Bench, part: Part) -> Outcome:
    measured = list(await part.measure(bench))
    return Outcome(measured, list(part.bars(Figures(measured))), part.METHOD.strip())


def _result_file(chosen: Sequence[str], *, is_quick: bool) -> Path | None:
    """Return the file of the documentation for these parts; `None` if it has no page for them."""
    if is_quick:
        return None
    if list(chosen) == list(PARTS):
        return RESULTS
    (only, *others) = chosen
    return RESULTS.with_name(f"{only}.json") if only in ALONE and not others else None


def _keep(results: Results, file: Path | None) -> None:
    """Write results and plots: to the documentation if its `file` is given, else aside."""
    save(results, file or _ASIDE / RESULTS.name)
    folder = SPEED.parent if file else _ASIDE
    for work, outcome in results.parts.items():
        if _KNOWN[work].PLOTTED:
            plot(_KNOWN[work], outcome, folder / PLOTS / f"{work}.svg")
    if file:
        write()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_command(app)
