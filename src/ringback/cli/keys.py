"""Commands for API keys. Link keys, which sign links, are files and settings."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import typer

from ringback.app.program import run
from ringback.app.stores import existing_store, opened_store
from ringback.app.system import SystemClock
from ringback.cli.listing import Fields, Record, print_list
from ringback.cli.params import AsJson
from ringback.domain.api_key import (
    ID_BYTES,
    SECRET_BYTES,
    ApiKey,
    KeyId,
    Role,
    digest_secret,
    new_key_id,
    new_secret,
    to_text,
)
from ringback.domain.durations import format_instant
from ringback.domain.errors import UnknownKeyError
from ringback.ports.access import ApiKeys, NewKey
from ringback.settings import load_settings

T = TypeVar("T")

_LONGEST_NAME: Final = 100

keys: Final = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


@keys.command()
def add(
    role: Annotated[Role, typer.Option(metavar="ROLE", help="worker, operator or viewer.")],
    name: Annotated[str, typer.Option(help="A name for its holder, for `ringback keys list`.")],
    as_json: AsJson = False,
) -> None:
    """Create an API key, and print it.

    It cannot be printed again: the store has only its digest.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        msg = f"a name has 1 to {_LONGEST_NAME} printable characters"
        raise typer.BadParameter(msg, param_hint="--name")
    key_id = new_key_id(secrets.token_bytes(ID_BYTES))
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    new = NewKey(key_id, name, role, digest_secret(secret))
    key = run(_add(new))
    text = to_text(key_id, secret)
    print(json.dumps({**to_json(key), "key": text}) if as_json else text)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the API keys, with the revoked ones.

    The list has their ids and names. The keys themselves are not stored.
    """
    found = run(_with_keys(lambda store: store.all_keys()))
    if as_json:
        print(json.dumps([to_json(key) for key in found]))
        return
    if not found:
        print(f"no keys in {load_settings().store_name}")
        return
    fields = Fields(["id", "role", "name", "created", "revoked"])
    print_list(fields, [_to_record(key) for key in found], now=SystemClock().now())


@keys.command()
def revoke(
    key_id: Annotated[
        str, typer.Argument(help="The key's id in `ringback keys list`.", metavar="ID")
    ],
    as_json: AsJson = False,
) -> None:
    """Revoke an API key.

    Within seconds, all gateways refuse it.
    """
    key = run(_with_keys(lambda store: store.revoke_key(KeyId(key_id))))
    if key is None:
        msg = f"there is no key {key_id!r}; see: ringback keys list"
        raise UnknownKeyError(msg)
    print(json.dumps(to_json(key)) if as_json else f"{key.id} is revoked")


def to_json(key: ApiKey) -> dict[str, Any]:
    """Return a key as plain JSON, without its digest."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "created_at": format_instant(key.created_at),
        "revoked_at": None if key.revoked_at is None else format_instant(key.revoked_at),
    }


def _to_record(key: ApiKey) -> Record:
    return {
        "id": key.id,
        "role": key.role.value,
        "name": key.name,
        "created": key.created_at,
        "revoked": key.revoked_at,
    }


async def _add(new: NewKey) -> ApiKey:
    # The first key may be created before the first gateway starts.
    async with opened_store(load_settings(), SystemClock()) as store:
        return await store.add_key(new)


async def _with_keys(work: Callable[[ApiKeys], Awaitable[T]]) -> T:
    async with existing_store(load_settings(), SystemClock()) as store:
        return await work(store)
