"""Values: each answer contains a unique value, by which it is recognized everywhere."""

import re
from random import Random
from typing import Final

_VALUE: Final = re.compile(r"w\d+q\d+r\d+a\d+z")


def key_of(workflow: int, question: int) -> str:
    """Return the name of a question."""
    return f"w{workflow}q{question}"


def value_of(key: str, round_: int, answer: int) -> str:
    """Return the value of an answer to a question, in one of its generations."""
    return f"{key}r{round_}a{answer}z"


def question_of(value: str) -> str:
    """Return the name of the question that a value answers."""
    return value.partition("r")[0]


def values_in(text: str | bytes) -> list[str]:
    """Return the distinct values in `text`."""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    return list(dict.fromkeys(_VALUE.findall(text)))


def chance(*parts: object) -> Random:
    """Return a random generator that depends on `parts` alone."""
    return Random("/".join(str(part) for part in parts))
