"""Transactions: a method of a store is one, whole."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from ringback.store.connection import Connection, Transaction
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
    return _method(steps, lambda database: database.read)


def writes(steps: _Steps[S, P, T]) -> _Method[S, P, T]:
    """Make a method of `steps`, which take a connection; what they wrote is durable after it."""
    return _method(steps, lambda database: database.write)


def _method(
    steps: _Steps[S, P, T],
    way: Callable[[Database], Callable[[Transaction[T]], Coroutine[Any, Any, T]]],
) -> _Method[S, P, T]:
    @wraps(steps)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await way(self._database)(lambda it: steps(self, it, *args, **kwargs))

    return method
