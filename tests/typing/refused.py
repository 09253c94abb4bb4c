"""What a user must not write: each line is an error that the checkers are asked to expect.

An expectation that is not met is itself an error, so this file fails when wrong use is accepted.
"""

from temporalio import activity

from ringback import (
    Callback,
    Decision,
    Subject,
    open_callback,
    wait_for_callback,
    wait_for_decision,
)


def not_async(callback: Callback) -> None:
    """No coroutine."""


async def takes_nothing() -> None:
    """No callback."""


async def ask(callback: Callback) -> None:
    """A submit."""


@activity.defn
async def returns_another_type() -> int:
    """Typed to return what it does not."""
    return await wait_for_callback(ask, str)  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportReturnType]


@activity.defn
async def submits_in_a_thread() -> str:
    """Hands over a function where a coroutine is needed."""
    return await wait_for_callback(not_async, str)  # type: ignore[arg-type, func-returns-value, unused-ignore]  # - refused  # pyright: ignore[reportArgumentType]


@activity.defn
async def submits_without_callback() -> str:
    """Hands over a submit that takes no callback."""
    return await wait_for_callback(takes_nothing, str)  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportArgumentType]


@activity.defn
async def forgets_the_end() -> int:  # type: ignore[return]  # - refused  # pyright: ignore[reportReturnType]
    """Forgets the call that never returns."""
    async with open_callback():
        pass


@activity.defn
async def decides_another_type() -> bool:
    """A decision is no boolean."""
    return await wait_for_decision(Subject("Order 17"))  # type: ignore[return-value]  # - refused  # pyright: ignore[reportReturnType]


@activity.defn
async def decides_by_a_word() -> Decision:
    """There is no such number of approvals."""
    return await wait_for_decision(Subject("Order 17"), approvals="most")  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportArgumentType]


def reads_another_form(decision: Decision) -> int:
    """The form is a text."""
    return decision.form_as(str)  # type: ignore[return-value]  # - refused  # pyright: ignore[reportReturnType]
