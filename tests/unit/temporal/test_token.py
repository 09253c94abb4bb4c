"""Task tokens are read, and never trusted."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringback.domain.completion_errors import UnusableTokenError
from ringback.temporal.token import TaskToken, read_token

NAMESPACE_ID = "01a1fd99-cae8-727f-b07f-cffa4382620b"


def text(number: int, value: str) -> bytes:
    """Return a text field of a protobuf message."""
    data = value.encode()
    return bytes([number << 3 | 2, len(data)]) + data


def number(field: int, value: int) -> bytes:
    """Return a small number in a field of a protobuf message."""
    return bytes([field << 3, value])


OF_A_WORKFLOW = (
    text(1, NAMESPACE_ID)
    + text(2, "order-7")
    + text(3, "a-run")
    + number(4, 5)
    + number(5, 2)
    + text(6, "1")
    + text(8, "ask")
)


def test_token_contains_the_activity_and_the_attempt() -> None:
    assert read_token(OF_A_WORKFLOW) == TaskToken(
        NAMESPACE_ID, "order-7", "a-run", "1", scheduled_event_id=5, attempt=2
    )


def test_token_of_a_standalone_activity_of_server_1_32_is_read() -> None:
    token = (
        b"\n$01a1fd99-cae8-727f-b07f-cffa4382620b(\x012\x0bmy-activityB\x03askrg\n$01a1fd99-cae8-"
        b"727f-b07f-cffa4382620b\x12\x0bmy-activity\x1a$01a1fd99-cb5e-76bd-aaf9-15167338dbb3 \xe2"
        b"\xb0\x83\xb5\x0c*\x02\x10\x01:\x02\x10\x01x\x01"
    )

    claim = read_token(token)

    run_id = "01a1fd99-cb5e-76bd-aaf9-15167338dbb3"
    assert (claim.workflow_id, claim.run_id, claim.activity_id) == ("", run_id, "my-activity")
    assert claim.to_execution("default").is_standalone
    assert (claim.namespace_id, claim.attempt) == (NAMESPACE_ID, 1)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (b"", "empty"),
        (b"local_act_\x01\x00\x00\x00", "local activity"),
        (b"garbage", "not a task token"),
        (text(1, NAMESPACE_ID), "not a task token"),
        (OF_A_WORKFLOW[38:], "not a task token"),
        (OF_A_WORKFLOW.hex().encode(), "decode hexadecimal or base64 text first"),
    ],
    ids=["empty", "local", "garbage", "without an activity", "without a namespace", "hexadecimal"],
)
def test_invalid_token_is_rejected_and_not_repeated_in_the_error(token: bytes, said: str) -> None:
    with pytest.raises(UnusableTokenError, match=said) as caught:
        read_token(token)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert NAMESPACE_ID not in str(caught.value)


edited = st.builds(
    lambda at, byte: OF_A_WORKFLOW[:at] + byte + OF_A_WORKFLOW[at + 1 :],
    st.integers(0, len(OF_A_WORKFLOW)),
    st.binary(max_size=2),
)


@given(st.binary() | edited)
@example(OF_A_WORKFLOW + b"\x72\x01\xff")
@example(text(1, "x") + b"\x12\x01\xff")
def test_arbitrary_bytes_are_read_or_rejected(token: bytes) -> None:
    read: Any = None
    try:
        read = read_token(token)
    except UnusableTokenError as exc:
        read = exc

    assert isinstance(read, TaskToken | UnusableTokenError)
