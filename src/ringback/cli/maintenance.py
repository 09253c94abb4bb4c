"""Commands that check and prepare an installation of the gateway."""

import json
from dataclasses import asdict

import typer

from ringback.app.doctor import Finding, diagnose
from ringback.app.exits import REFUSED
from ringback.app.program import run
from ringback.app.stores import upgraded
from ringback.app.system import SystemClock
from ringback.cli.params import AsJson
from ringback.domain.errors import ConfigurationError
from ringback.settings import load_settings
from ringback.store.migrate import Upgrade


def doctor(as_json: AsJson = False) -> None:
    """Check an installation, and print what to fix.

    It checks the store, the link keys, the clocks, Temporal, the public URL, the worker's key,
    mail, Slack and Apprise, the sources, and the brokers of queues. `ringback status` says how the
    gateway does. Run it with the gateway's settings, while the gateway runs. It changes nothing.
    Exit codes: 0 everything works, with or without a warning; 1 a check failed. Each line says what
    to do.
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


def migrate(as_json: AsJson = False) -> None:
    """Upgrade the store's schema; print the old and new version.

    A gateway upgrades the schema when it starts. With several gateways, run this first, once.
    """
    upgrade = run(upgraded(load_settings(), SystemClock()))
    print(json.dumps(asdict(upgrade)) if as_json else _in_words(upgrade))


def _in_words(upgrade: Upgrade) -> str:
    if upgrade.before == upgrade.after:
        return f"the schema is already {upgrade.after}"
    if upgrade.before is None:
        return f"the store was empty; the schema is now {upgrade.after}"
    return f"the schema was {upgrade.before} and is now {upgrade.after}"
