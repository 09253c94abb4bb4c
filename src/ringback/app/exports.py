"""The environment that a worker or a command in another terminal needs."""

import shlex
from collections.abc import Mapping
from typing import Final

from ringback.settings import Settings

COMMENT: Final = "# for a worker or a command in another terminal"


def environment_for_others(settings: Settings, *, temporal: str, namespace: str) -> dict[str, str]:
    """Return the variables that lead another program to the same store, gateway and Temporal.

    The store is without its password, and link keys are not among them.
    """
    if settings.store is None:
        store = {"RINGBACK_DATA": str(settings.data)}
    elif settings.postgresql_url is None:
        store = {"RINGBACK_STORE": f"sqlite:///{settings.database_path}"}
    else:
        store = {"RINGBACK_STORE": settings.store_name}
    if settings.keys_file is not None:
        store["RINGBACK_KEYS_FILE"] = str(settings.keys_file)
    return {
        **store,
        "RINGBACK_PUBLIC_URL": settings.base_url,
        "TEMPORAL_ADDRESS": temporal,
        "TEMPORAL_NAMESPACE": namespace,
    }


def export_lines(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Return `environment` as lines for a shell, with comments on what is not in it."""
    missing = ["the password of RINGBACK_STORE"] if settings.postgresql_url is not None else []
    if settings.keys is not None:
        missing.append("RINGBACK_KEYS")
    comment = f" (add {' and '.join(missing)})" if missing else ""
    return [
        f"{COMMENT}{comment}:",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
    ]
