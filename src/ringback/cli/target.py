"""Which activity a command acts on: by token, by ids, or by callback."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from ringback.cli.given import read_token
from ringback.completion.refs import ActivityRef
from ringback.domain.ids import CallbackId

_CALLBACK: Final = re.compile(r"cb_[0-9a-z_]+")

Subject: TypeAlias = bytes | ActivityRef | CallbackId
"""A task token, an activity by its ids, or a callback."""


def to_callback_id(text: str) -> CallbackId:
    """Return `text` as a callback's id.

    Raises:
        typer.BadParameter: It is none; a link, for one, is not repeated in the message.
    """
    if not _CALLBACK.fullmatch(text):
        msg = "a callback's id begins with cb_; see: ringback list"
        raise typer.BadParameter(msg)
    return CallbackId(text)


CallbackArgument = Annotated[
    str, typer.Argument(parser=to_callback_id, help="cb_…", metavar="CALLBACK")
]

OptionalCallback = Annotated[
    str | None, typer.Argument(parser=to_callback_id, help="cb_…", metavar="CALLBACK")
]

Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        help="The task token, hexadecimal or base64; - reads it from standard input. Others on this"
        " machine see a command's words: - or --token-file hides it.",
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file that holds the task token.")
]
WorkflowId = Annotated[
    str | None,
    typer.Option(metavar="ID", help="The workflow; without it, a standalone activity is meant."),
]
RunId = Annotated[
    str | None, typer.Option(metavar="ID", help="The run of it; without it, the latest one.")
]
ActivityId = Annotated[str | None, typer.Option(metavar="ID", help="The activity's id.")]
Namespace = Annotated[
    str | None, typer.Option(metavar="NAME", help="Its namespace; without it, the connection's.")
]
CallbackOption = Annotated[
    str | None,
    typer.Option(metavar="CALLBACK", help="The callback that it opened, as the argument: cb_…"),
]


def one_callback(argument: str | None, option: str | None) -> str | None:
    """Return the callback that the command line names; `None` if it names none.

    Raises:
        typer.BadParameter: It is named twice.
    """
    if argument is not None and option is not None:
        msg = "name the callback once: as the argument or by --callback"
        raise typer.BadParameter(msg)
    return option if argument is None else argument


@dataclass(frozen=True, slots=True)
class Names:
    """What was given to name one activity; `None` for what was not."""

    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    activity_id: str | None = None
    namespace: str | None = None
    callback: str | None = None

    def subject(self) -> Subject:
        """Return the one activity that is meant.

        Raises:
            typer.BadParameter: None or several are named, or a name is empty or cannot be read.
        """
        self._check_none_empty()
        token = read_token(self.token, self.token_file)
        named = [one for one in (token, self.activity_id, self.callback) if one is not None]
        if len(named) != 1:
            msg = "name one activity: by its callback, by --token, or by --activity-id"
            raise typer.BadParameter(msg)
        if self.activity_id is not None:
            return ActivityRef(self.activity_id, self.workflow_id, self.run_id, self.namespace)
        self._check_no_other_ids()
        if token is not None:
            return token
        assert self.callback is not None, "one of the three was named"
        return to_callback_id(self.callback)

    def _check_none_empty(self) -> None:
        # A variable that was not set must not turn a workflow's activity into a standalone one.
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
