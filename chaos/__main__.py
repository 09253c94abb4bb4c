"""The command: `python -m chaos`, run by `make chaos`."""

import random
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from chaos.options import MODES, Fault, Options, StoreKind
from chaos.postgresql import NoPostgresqlError
from chaos.programs import NotReadyError
from chaos.report import finding_lines, is_clean, lines
from chaos.run import chaos
from ringback.app.exits import run_command
from ringback.app.program import run


def main(
    seed: Annotated[
        int | None, typer.Option(help="Seed of the scripts, answers and faults.")
    ] = None,
    callbacks: Annotated[int, typer.Option(min=1, help="Number of questions.")] = 2000,
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds during which faults are injected.")
    ] = 100,
    settle: Annotated[
        float, typer.Option(min=1, help="Maximum seconds until everything has settled.")
    ] = 150,
    store: Annotated[StoreKind, typer.Option(help="The database.")] = StoreKind.SQLITE,
    gateways: Annotated[int, typer.Option(min=1, max=8, help="Number of gateways.")] = 2,
    workers: Annotated[int, typer.Option(min=1, max=8, help="Number of workers.")] = 2,
    faults: Annotated[
        str, typer.Option(help=f"The faults to inject, separated by commas: {', '.join(Fault)}.")
    ] = ",".join(Fault),
    modes: Annotated[
        str, typer.Option(help=f"The modes of workflows, separated by commas: {', '.join(MODES)}.")
    ] = ",".join(MODES),
    keep: Annotated[bool, typer.Option(help="Keep the run's folder.")] = False,
) -> None:
    """Run real programs under seeded faults, and compare the ledger with every history."""
    options = Options(
        seed=random.SystemRandom().randrange(1_000_000) if seed is None else seed,
        callbacks=callbacks,
        seconds=seconds,
        settle=settle,
        store=store,
        gateways=gateways,
        workers=workers,
        faults=frozenset(Fault(name) for name in _among(Fault, faults, "--faults")),
        modes=_among(MODES, modes, "--modes"),
        is_kept=keep,
    )
    print(f"seed {options.seed}", flush=True)
    try:
        outcome = run(chaos(options, lambda said: print(said, flush=True)))
    except (NoPostgresqlError, NotReadyError) as exc:
        sys.exit(f"chaos: {exc}")
    print("\n".join(lines(options, outcome)))
    if keep:
        (outcome.folder / "findings.txt").write_text("\n".join(finding_lines(outcome)))
        print(f"kept in {outcome.folder}")
    raise typer.Exit(0 if is_clean(outcome) else 1)


def _among(known: Iterable[str], given: str, option: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in given.split(",")) - {""}
    if unknown := names - set(known):
        msg = f"unknown: {', '.join(sorted(unknown))}"
        raise typer.BadParameter(msg, param_hint=option)
    return names


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_command(app)
