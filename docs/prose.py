"""Counts turns of phrase that make a sentence hard to read; `make check` runs it.

The patterns, and the reason for each, are in `prose.toml`.
"""

import argparse
import ast
import html
import io
import re
import sys
import tokenize
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
RULES: Final = Path(__file__).with_suffix(".toml")

_FENCE: Final = re.compile(r"^( *)(```+|~~~+)(\w*).*?\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_SPAN: Final = re.compile(r"(?<!`)`+([^`\n]+)`+(?!`)")
_LINK: Final = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_TAG: Final = re.compile(r"</?[a-z][^>]*>|\{[{%#].*?[}%#]\}", re.DOTALL)
_COMMENT: Final = re.compile(
    r"(?:^|\s)(?:#+|//+)[:!]? +(\S.*)$|/\*(.*?)\*/", re.MULTILINE | re.DOTALL
)
_JUST_WORDS: Final = re.compile(r"[a-z]+,?( [a-z]+,?){3,}[.?!]?", re.IGNORECASE)
_INVISIBLE: Final = {ord(one): None for one in "\u00ad\u200b\u200c\u200d\u2060\ufeff"}
_DIRECTIVES: Final = ("noqa", "type: ignore", "pragma:", "pyright:", "mypy:")
_LEAVES: Final = (ast.Name, ast.alias, ast.expr_context, ast.operator, ast.cmpop)
_GENERATED: Final = {".venv", "node_modules", "build", "dist", "__pycache__"}


@dataclass(frozen=True)
class Pattern:
    """A turn of phrase, and why it is on the list."""

    name: str
    regex: re.Pattern[str]
    reason: str
    bad: str
    good: str


@dataclass(frozen=True)
class Group:
    """Paths that are counted together."""

    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """What `prose.toml` says."""

    limit: float
    groups: tuple[Group, ...]
    later: tuple[str, ...]
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
class Hit:
    """One match, with the words around it."""

    path: Path
    pattern: Pattern
    around: str


@dataclass(frozen=True)
class Count:
    """What a group came to."""

    words: int
    hits: tuple[Hit, ...]

    @property
    def rate(self) -> float:
        """Return the hits per 10,000 words."""
        return len(self.hits) * 10_000 / max(self.words, 1)


def load_rules(path: Path = RULES) -> Rules:
    """Read the rules."""
    data = tomllib.loads(path.read_text("utf-8"))
    patterns = (
        Pattern(**{**one, "regex": re.compile(one["regex"], re.IGNORECASE)})
        for one in data["pattern"]
    )
    groups = (Group(one["name"], tuple(one["paths"])) for one in data["group"])
    return Rules(data["limit"], tuple(groups), tuple(data["later"]["paths"]), tuple(patterns))


def passages(path: Path) -> list[str]:
    """Return what a person reads in the file: one text for each block, comment and string."""
    text = path.read_text("utf-8")
    reader = READERS.get(path.suffix) or READERS.get(path.name, _comments)
    return [plain for passage in reader(text) if (plain := to_plain(passage))]


def to_plain(passage: str) -> str:
    """Return the words alone: no marks, no invisible characters, single spaces."""
    text = html.unescape(unicodedata.normalize("NFKC", passage)).translate(_INVISIBLE)
    text = _SPAN.sub(lambda span: span[1] if _JUST_WORDS.fullmatch(span[1]) else "X", text)
    text = re.sub(r"[*_~]{1,3}(?=\S)|(?<=\S)[*_~]{1,3}", "", _LINK.sub(r"\1", text))
    return " ".join(text.split())


def count(paths: Iterable[Path], patterns: Iterable[Pattern]) -> Count:
    """Count the words and the hits in the files."""
    words, hits, kept = 0, list[Hit](), tuple(patterns)
    for path in paths:
        for text in passages(path):
            words += len(text.split())
            hits += [
                Hit(path, pattern, text[max(0, found.start() - 50) : found.end() + 50])
                for pattern in kept
                for found in pattern.regex.finditer(text)
            ]
    return Count(words, tuple(hits))


def files_in(paths: Iterable[str], root: Path = ROOT) -> list[Path]:
    """Return the readable files: a path may be a file, a folder with all below it, or a glob."""
    named = [path for one in paths for path in (root.glob(one) if one != "." else [root])]
    found = {file for path in named if _is_ours(path, root) for file in _below(path)}
    return sorted(file for file in found if file.suffix in READERS or file.name in READERS)


def _below(path: Path) -> Iterator[Path]:
    """Yield the files below a path, without those of installed packages, which are many."""
    if path.is_dir():
        for one in path.iterdir():
            if _is_ours(one, path):
                yield from _below(one)
    elif path.is_file():
        yield path


def _is_ours(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return not any(part in _GENERATED or part.startswith(".") for part in parts)


def _markdown(text: str) -> Iterator[str]:
    """Yield each paragraph, list item and table cell, and the words in code blocks."""
    for _, _, language, code in _FENCE.findall(text):
        yield from _CODE.get(language, _comments)(code)
    yield from re.findall(r"<!--(.*?)-->", text, re.DOTALL)
    prose = re.sub(r"<!--.*?-->", "", _FENCE.sub("", text), flags=re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+\.|\|) )|\|", prose):
        yield re.sub(r"^[\s#>*+-]+", "", block)


def _python(source: str) -> Iterator[str]:
    """Yield docstrings, every string with words in it, comments, and the names of tests."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        yield from _comments(source)
        return
    yield from _strings(tree)
    yield from _joined(_comment_lines(source, tree))


def _comment_lines(source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each comment.

    The tokenizer takes most of the time, so it gets only statements that may have a comment.
    """
    lines, first = list(io.StringIO(source)), 0
    for last in [*(node.end_lineno or 0 for node in tree.body), len(lines)]:
        part = "".join(lines[first:last])
        if "#" in part:
            for token in tokenize.generate_tokens(io.StringIO(part).readline):
                if token.type == tokenize.COMMENT:
                    yield first + token.start[0], token.string
        first = max(first, last)


def _strings(tree: ast.AST) -> Iterator[str]:
    """Yield the names of tests in a tree, and its strings; those made of parts, as one."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            yield node.name[5:].replace("_", " ")
        whole = _text_of(node)
        if whole is None:
            # Most nodes are names, which have no strings below them.
            children = [one for one in ast.iter_child_nodes(node) if not isinstance(one, _LEAVES)]
            waiting += reversed(children)
        elif " " in whole.strip() or "\n" in whole:
            yield from re.split(r"\n\s*\n", whole)


def _text_of(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text_of(part) or "X" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            both = _text_of(left), _text_of(right)
            return None if both == (None, None) else "".join(one or "X" for one in both)
        case _:
            return None


def _joined(lines: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Yield comments, those on consecutive lines as one."""
    text, last = "", -1
    for number, line in lines:
        if any(one in line for one in _DIRECTIVES):
            continue
        if number != last + 1:
            yield text
            text = ""
        text, last = f"{text} {line.lstrip('#:! ')}", number
    yield text


def _markup(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n|</(?:p|li|td|th|h\d|label|button|summary)>", text):
        yield _TAG.sub(" ", block)


def _text(text: str) -> Iterator[str]:
    yield from re.split(r"\n\s*\n", text)


def _comments(text: str) -> Iterator[str]:
    """Yield the comments of a file in a language that has # or // or /* */."""
    for line, block in _COMMENT.findall(text):
        yield line or block


_CODE: Final[dict[str, Callable[[str], Iterator[str]]]] = {
    "python": _python,
    # Without a language it may be anything, so all of it counts as prose.
    **dict.fromkeys(["", "text", "markdown"], _text),
}
"""What finds the words in a code block, by its language; comments otherwise."""

READERS: Final[dict[str, Callable[[str], Iterator[str]]]] = {
    ".md": _markdown,
    ".rst": _text,
    ".py": _python,
    ".j2": _markup,
    ".html": _markup,
    **dict.fromkeys([".toml", ".yaml", ".yml", ".ini", ".sh", ".pml", ".lua", ".cjs"], _comments),
    **dict.fromkeys(["Makefile", "Dockerfile", "run"], _comments),
}
"""What finds the words in a file, by its suffix or its name."""


def main(arguments: list[str] | None = None, rules: Rules | None = None) -> int:
    """Print the rate of each group; return 1 if one is red."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--show", action="store_true", help="print each hit with its reason")
    parser.add_argument("paths", nargs="*", help="count these globs instead of the groups")
    options = parser.parse_args(arguments)
    rules = rules or load_rules()
    groups = (Group("given", tuple(options.paths)),) if options.paths else rules.groups
    lines, is_red = [], False
    for group in groups:
        result = count(files_in(group.paths), rules.patterns)
        group_is_red = result.rate >= rules.limit
        is_red |= group_is_red
        if options.show or group_is_red:
            lines += [
                f"{hit.path.relative_to(ROOT)}: …{hit.around}… [{hit.pattern.reason}]"
                for hit in result.hits
            ]
        lines.append(
            f"{group.name}: {len(result.hits)} hits in {result.words} words,"
            f" {result.rate:.1f} per 10,000 (limit {rules.limit})"
        )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(is_red)


if __name__ == "__main__":
    sys.exit(main())
