"""A failure that an attempt raises shows its outcome, whatever the failure converter hides."""

from collections.abc import Callable

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from ringback.domain.ids import OutcomeId, to_identity
from ringback.domain.outcome import Failed
from ringback.temporal.describe import to_last_failure
from ringback.worker.answer import InlineAnswer, return_or_raise

OURS = to_identity(OutcomeId("oc_1"))
ANSWER = InlineAnswer(OutcomeId("oc_1"), Failed("a secret", "Declined"))
PLAIN, HIDDEN = DefaultFailureConverter, DefaultFailureConverterWithEncodedAttributes


def unchanged() -> None:
    return_or_raise(ANSWER, type(None))


def as_its_own() -> None:
    try:
        return_or_raise(ANSWER, type(None))
    except ApplicationError as exc:
        msg = "own"
        raise KeyError(msg) from exc


@pytest.mark.parametrize("converter", [PLAIN, HIDDEN])
def test_raised_failure_has_the_identity_of_its_outcome(
    converter: type[DefaultFailureConverter],
) -> None:
    raised, caused = sent(unchanged, converter), sent(as_its_own, converter)

    shown, own = to_last_failure(raised), to_last_failure(caused)
    assert (shown.type, shown.source, own.source) == ("Declined", OURS, "")
    assert own.causes == {OURS}
    assert shown.is_encoded is own.is_encoded is (converter is HIDDEN)
    assert ("a secret" in shown.message) is (converter is PLAIN)


def sent(function: Callable[[], None], converter: type[DefaultFailureConverter]) -> Failure:
    """Return the failure that the SDK sends for what an activity raises."""
    failure = Failure()
    with pytest.raises(Exception) as raised:  # noqa: PT011 - it raises one error
        ActivityEnvironment().run(function)
    converter().to_failure(raised.value, PayloadConverter.default, failure)
    return failure
