"""The subject: what a person is asked to decide on, and a digest that names one version of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

LONGEST_DESCRIPTION: Final = 8 * 1024
MOST_DETAILS_BYTES: Final = 16 * 1024
"""Measured as compact JSON in UTF-8: every message about the callback contains it."""

_DIGEST_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Subject:
    """What a person is asked to decide on.

    Attributes:
        title: The question, in a few words.
        description: More about it. Pages show a safe subset of Markdown, and never raw HTML.
        details: Plain JSON, which pages show as a table.
    """

    title: str | None = None
    description: str | None = None
    details: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """A digest (32 hex digits) of this version; the order of the details does not count."""
        parts = [self.title, self.description, self.details]
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def changed_parts(before: Subject, after: Subject) -> list[str]:
    """Return the names of the parts that differ, such as `title` and `details.amount`."""
    return list(_changed_parts(before, after))


def _changed_parts(before: Subject, after: Subject) -> Iterator[str]:
    if before.title != after.title:
        yield "title"
    if before.description != after.description:
        yield "description"
    for name in sorted({*before.details, *after.details}):
        is_in_both = name in before.details and name in after.details
        if not is_in_both or before.details[name] != after.details[name]:
            yield f"details.{name}"
