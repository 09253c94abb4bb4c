"""The activity that a command acts on: by callback, by token, or by ids."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from ringback.cli.params import AliasOption, read_token, to_callback_id
from ringback.completion.refs import ActivityRef
from ringback.domain.alias import Alias
from ringback.domain.ids import CallbackId

Subject: TypeAlias = bytes | ActivityRef | CallbackId | Alias
"""A task token, an activity by its ids, or a callback by its id or alias."""


def _to_argument(text: str) -> CallbackId:
    try:
        return to_callback_id(text)
    except typer.BadParameter as exc:
        msg = f"{exc.message}; beside another name, a result goes by --result"
        raise typer.BadParameter(msg) from exc


@dataclass(frozen=True, slots=True)
class Names:
    """The parameters that name one activity; `None` for those that were not given."""

    callback: Annotated[
        str | None,
        typer.Argument(parser=_to_argument, metavar="CALLBACK", help="The callback: cb_…"),
    ] = None
    callback_option: Annotated[
        str | None,
        typer.Option("--callback", metavar="CALLBACK", help="The same, as an option."),
    ] = None
    alias: AliasOption = None
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            "--task-token",
            "--tasktoken",
            metavar="TOKEN",
            help="The task token, hexadecimal or base64; - reads it from standard input. Other"
            " users of this machine can see a command line; - and --token-file hide the token.",
        ),
    ] = field(default=None, repr=False)
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that contains the task token.")
    ] = None
    activity_id: Annotated[str | None, typer.Option(metavar="ID", help="The activity's id.")] = None
    workflow_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Its workflow. A standalone activity has no workflow."),
    ] = None
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The workflow's run. Default: the latest one.")
    ] = None
    namespace: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its namespace. Default: that of the connection."),
    ] = None

    def subject(self) -> Subject:
        """Return the activity.

        Raises:
            typer.BadParameter: No activity or several are named, or a name is empty or invalid.
        """
        self._check_none_empty()
        callback, token = self._one_callback(), read_token(self.token, self.token_file)
        named = [one for one in (token, self.activity_id, callback, self.alias) if one is not None]
        if len(named) != 1:
            msg = "name one activity: by its callback, --alias, --token, or --activity-id"
            raise typer.BadParameter(msg)
        if self.activity_id is not None:
            return ActivityRef(self.activity_id, self.workflow_id, self.run_id, self.namespace)
        self._check_no_other_ids()
        if token is not None:
            return token
        if self.alias is not None:
            return self.alias
        assert callback is not None, "one of the four was named"
        return to_callback_id(callback)

    def _one_callback(self) -> str | None:
        if self.callback is not None and self.callback_option is not None:
            msg = "name the callback once: as the argument or by --callback"
            raise typer.BadParameter(msg)
        return self.callback_option if self.callback is None else self.callback

    def _check_none_empty(self) -> None:
        # An unset shell variable must not turn a workflow's activity into a standalone one.
        ids = {
            "--workflow-id": self.workflow_id,
            "--run-id": self.run_id,
            "--activity-id": self.activity_id,
            "--namespace": self.namespace,
        }
        empty = [name for name, value in ids.items() if value is not None and not value.strip()]
        if empty:
            msg = f"{empty[0]} is empty"
            raise typer.BadParameter(msg)

    def _check_no_other_ids(self) -> None:
        if self.namespace is not None:
            msg = "--namespace goes with ids; for a token set TEMPORAL_NAMESPACE"
            raise typer.BadParameter(msg)
        if self.workflow_id is not None or self.run_id is not None:
            msg = "--workflow-id and --run-id go with --activity-id"
            raise typer.BadParameter(msg)


def on_activity(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the parameters of `Names`, which it gets as its first argument."""
    _, *own = inspect.signature(command).parameters.values()
    shared = inspect.signature(Names).parameters.values()

    @wraps(command)
    def with_names(**given: Any) -> None:
        names = Names(**{one.name: given.pop(one.name) for one in fields(Names)})
        return command(names, **given)

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared, *own)]
    # Typer reads both.
    vars(with_names)["__signature__"] = inspect.Signature(parameters)
    with_names.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_names
