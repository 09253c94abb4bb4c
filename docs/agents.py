"""The page of the reference about agent frameworks, written from the tests that run them."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TESTS: Final = Path(__file__).parents[1] / "tests" / "integration" / "agents"

_PINNED: Final = {
    "dev.txt": (
        *("openai-agents", "temporalio-openai-agents", "pydantic-ai-slim"),
        *("langgraph", "temporalio-langgraph"),
    ),
    "other-agents.txt": (
        *("strands-agents", "temporalio-strands-agents"),
        *("google-adk", "temporalio-google-adk"),
        *("deepagents", "temporalio-deepagents"),
    ),
}


def text() -> str:
    """Return what the page says after its title."""
    return "\n".join([
        "Each row is a test of `tests/integration/agents/test_approvals.py` on the real Temporal"
        " server, with a scripted model, with cached workflows and with `max_cached_workflows=0`."
        " It compares what the model is told. The versions are those of `requirements/dev.txt`"
        " and `requirements/other-agents.txt`: " + ", ".join(_versions()) + ".",
        "",
        "[Let people approve tool calls](../howto/agents.md) explains how to use them.",
        "",
        *_table(),
    ])


def _table() -> Iterator[str]:
    names = list(ast.literal_eval(_assigned("agent_env.py", "AGENTS")))
    yield f"| What happens | {' | '.join(names)} |"
    yield f"|{'---|' * (len(names) + 1)}"
    for sentence in _sentences():
        yield f"| {sentence} |{' yes |' * len(names)}"


def _sentences() -> Iterator[str]:
    """Yield what each test shows: every test runs with every framework."""
    for node in _parse("test_approvals.py").body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            sentence = ast.get_docstring(node)
            assert sentence, f"{node.name} says in a docstring what it shows"
            yield sentence.rstrip(".")


def _assigned(file: str, name: str) -> ast.expr:
    for node in _parse(file).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    msg = f"{file} assigns no {name}"
    raise LookupError(msg)


def _parse(file: str) -> ast.Module:
    return ast.parse((_TESTS / file).read_text("utf-8"))


def _versions() -> Iterator[str]:
    for file, names in _PINNED.items():
        pins = (_TESTS.parents[2] / "requirements" / file).read_text("utf-8").split()
        for name in names:
            (pin,) = [one for one in pins if one.startswith(f"{name}==")]
            yield pin.replace("==", " ")
