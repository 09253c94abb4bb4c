"""What a test of a user must not write with the kit: each line is an expected error."""

from temporalio import activity

from ringback import Callback, wait_for_callback
from ringback.testing import ActivityTestEnvironment


async def ask(callback: Callback) -> None:
    """A submit."""


@activity.defn
async def charge(amount: int) -> str:
    """An activity with one input."""
    return await wait_for_callback(ask, str)


async def gives_an_input_of_another_type(env: ActivityTestEnvironment) -> None:
    """The inputs are those of the activity."""
    await env.run(charge, "81", answer="r-81")  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportCallIssue, reportArgumentType]


async def forgets_an_input(env: ActivityTestEnvironment) -> None:
    """All inputs are given."""
    env.start(charge)  # type: ignore[call-arg, arg-type]  # - refused  # pyright: ignore[reportCallIssue, reportArgumentType]


async def names_a_moment_that_does_not_exist(env: ActivityTestEnvironment) -> None:
    """The moments are a closed list."""
    await env.run(charge, 81, answer="r-81", when="tomorrow")  # type: ignore[call-overload]  # - refused  # pyright: ignore[reportCallIssue, reportArgumentType]


async def reads_another_type(env: ActivityTestEnvironment) -> int:
    """The result has the type that the activity returns."""
    return await env.run(charge, 81, answer="r-81")  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportReturnType]
