"""What people decided, as activities and workflows read it. Workflow files import this module."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from temporalio.converter import value_to_type

F = TypeVar("F")


@dataclass(frozen=True)
class DecisionVote:
    """What one person said.

    Attributes:
        by: The user; `link` stands for a holder of the link.
        approved: A yes or a no.
        reason: Why, in the person's words.
        proof: How it was proven who they are: `link`, `API key`, `chat` or `signed in`.
        at: When it was committed.
    """

    by: str
    approved: bool
    reason: str | None
    proof: str
    at: datetime


@dataclass(frozen=True)
class Decision:
    """What people decided.

    Attributes:
        approved: A yes or a no.
        reason: Why, in the words of the person whose vote decided.
        by: That person; `None` for a default answer.
        form: What they filled in beside it, as plain JSON; `None` without a form.
        votes: All votes that count, oldest first.
        is_default: Whether this is the default answer, used at the deadline.
    """

    approved: bool
    reason: str | None = None
    by: str | None = None
    form: Any = None
    votes: list[DecisionVote] = field(default_factory=list)
    is_default: bool = False

    def form_as(self, form_type: type[F]) -> F:
        """Return the form as a dataclass or a pydantic model.

        Raises:
            TypeError: There is no form, or it is no `form_type`.
            ValueError: It is no `form_type`, a pydantic model.
        """
        if self.form is None:
            msg = "no form was filled in: it comes with a yes to `wait_for_decision(form=…)`"
            raise TypeError(msg)
        # Temporal's function reads models by a method that pydantic has deprecated. Strict models
        # read times and decimals from JSON only.
        validate = getattr(form_type, "model_validate_json", None)
        if validate is not None:
            return cast("F", validate(json.dumps(self.form)))
        return cast("F", value_to_type(form_type, self.form))
