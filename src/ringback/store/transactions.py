"""Transactions: a method of a store is one, whole."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from ringback.store.connection import Connection
from ringback.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")


class _Stored(Protocol):
    """What has a database."""

    @property
    def _database(self) -> Database: ...


S = TypeVar("S", bound=_Stored)

_Steps: TypeAlias = Callable[Concatenate[S, Connection, P], Coroutine[Any, Any, T]]
_Method: TypeAlias = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def reads(steps: _Steps[S, P, T]) -> _Method[S, P, T]:
    """Make a method of `steps`, which take a connection and write nothing."""

    @wraps(steps)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.read(lambda it: steps(self, it, *args, **kwargs))

    return method


def writes(steps: _Steps[S, P, T]) -> _Method[S, P, T]:
    """Make a method of `steps`, which take a connection; what they wrote is durable after it."""

    @wraps(steps)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.write(lambda it: steps(self, it, *args, **kwargs))

    return method
