"""The environment variables that a worker or a command in another terminal needs."""

import shlex
from collections.abc import Mapping
from typing import Final

from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.settings import Settings

COMMENT: Final = "# in another terminal, for"

_FOR: Final = {Role.WORKER: "a worker", Role.OPERATOR: "the command line"}


def export_lines(settings: Settings, *, url: str, temporal: str, namespace: str) -> list[str]:
    """Return shell lines that connect a worker or the command line to this gateway.

    They contain the paths of key files, and no keys.

    Args:
        settings: The settings of the gateway.
        url: The URL at which other programs reach the gateway.
        temporal: The address of Temporal, which workers need.
        namespace: The namespace of Temporal.
    """
    connection = {"TEMPORAL_ADDRESS": temporal, "TEMPORAL_NAMESPACE": namespace}
    return [
        *_lines(settings, Role.WORKER, {"RINGBACK_URL": url, **connection}),
        *_lines(settings, Role.OPERATOR, {"RINGBACK_URL": url}),
    ]


def _lines(settings: Settings, role: Role, environment: Mapping[str, str]) -> list[str]:
    if settings.postgresql_url is None:
        file = local_key_path(settings.data, role).absolute()
        environment = {**environment, "RINGBACK_API_KEY_FILE": str(file)}
        hint = ""
    else:
        command = f"ringback keys add --role {role.value} --name ..."
        hint = f" (set RINGBACK_API_KEY to what this prints: {command})"
    return [
        f"{COMMENT} {_FOR[role]}{hint}:",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
    ]
