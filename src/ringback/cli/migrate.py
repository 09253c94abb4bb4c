"""The command that brings the store's schema up to date."""

import json
from dataclasses import asdict

from ringback.app.program import run
from ringback.app.stores import upgraded
from ringback.app.system import SystemClock
from ringback.cli.given import AsJson
from ringback.settings import load_settings
from ringback.store.migrate import Upgrade


def migrate(as_json: AsJson = False) -> None:
    """Bring the store's schema up to this version, and say from which one to which.

    Every program does it when it starts. Where several run, do it first, once.
    """
    upgrade = run(upgraded(load_settings(), SystemClock()))
    print(json.dumps(asdict(upgrade)) if as_json else _told(upgrade))


def _told(upgrade: Upgrade) -> str:
    if upgrade.before == upgrade.after:
        return f"the schema is {upgrade.after} already"
    if upgrade.before is None:
        return f"the schema is {upgrade.after}, in a store that was empty"
    return f"the schema was {upgrade.before} and is {upgrade.after}"
