"""The command that checks an installation."""

import json
from dataclasses import asdict

import typer

from ringback.app.doctor import Finding, diagnose
from ringback.app.exits import REFUSED
from ringback.app.program import run
from ringback.cli.given import AsJson
from ringback.domain.errors import ConfigurationError
from ringback.settings import load_settings


def doctor(as_json: AsJson = False) -> None:
    """Check the store, the link keys, the clock, Temporal, the public URL and the worker's key.

    Run it with the gateway's settings, while the gateway runs. It changes nothing.
    Exit codes: 0 nothing is wrong; 1 something is, and its line says what to do.
    """
    findings = run(_diagnose())
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        print(*map(_to_line, findings), sep="\n")
    if any(finding.status == "wrong" for finding in findings):
        raise typer.Exit(REFUSED)


async def _diagnose() -> list[Finding]:
    try:
        settings = load_settings()
    except ConfigurationError as exc:
        return [Finding("settings", "wrong", str(exc))]
    return await diagnose(settings)


def _to_line(finding: Finding) -> str:
    detail = " ".join(finding.detail.split())
    return f"{finding.status:<7}  {finding.check:<11}  {detail}"
