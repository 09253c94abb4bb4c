"""Generated pages are fresh, links have targets, and commands and settings exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import REFERENCE, helps, known_variables, pages

ROOT = Path(__file__).parents[2]
HIDDEN_OR_MADE = {"node_modules", "dist", "build"}
FENCE = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[\s/(])ringback[ \t]+([a-z-]+)([^\n|&;#`]*)")
VARIABLE = re.compile(r"RINGBACK_[A-Z][A-Z_]*")
TARGET = re.compile(r"^(?:\$ )?make ([a-z-]+)", re.MULTILINE)
OPTION = re.compile(r"(?<!\S)(--?[a-z][a-z-]*)")


def documents() -> list[Path]:
    """Return every page that is a part of the project."""
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(
            part.startswith(".") or part in HIDDEN_OR_MADE for part in path.relative_to(ROOT).parts
        )
    )


DOCUMENTS = documents()
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def text_of(document: Path) -> str:
    return document.read_text("utf-8")


def code_in(text: str) -> str:
    """Return the text of code blocks and code spans, each on its own lines."""
    blocks = [found[0] for found in FENCE.finditer(text)]
    return "\n".join([*blocks, *SPAN.findall(FENCE.sub("", text))])


def anchors_of(document: Path) -> set[str]:
    """Return the anchors that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text_of(document)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_in(document: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each `ringback …` in the page's code: its words, and the options behind them."""
    for line in code_in(text_of(document)).splitlines():
        if re.match(r"\s*(>>> )?(from|import) ", line):
            continue
        for name, rest in COMMAND.findall(line):
            yield f"ringback {name}", OPTION.findall(rest)


def broken(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors_of(target)


def test_generated_pages_are_fresh() -> None:
    stale = [file.name for file, text in pages().items() if file.read_text("utf-8") != text]

    assert stale == [], "run: make docs"


@each_document
def test_every_link_has_a_target(document: Path) -> None:
    links = LINK.findall(SPAN.sub("", FENCE.sub("", text_of(document))))
    here = [link for link in links if not re.match(r"[a-z]+:", link)]

    assert [link for link in here if broken(document, link)] == []


@each_document
def test_every_command_exists_with_its_options(document: Path) -> None:
    known = helps()

    unknown = [
        f"{command} {option}"
        for command, options in commands_in(document)
        for option in ["", *options]
        if not re.search(rf"(?<![\w-]){option}(?![\w-])", known.get(command, "-"))
    ]

    assert unknown == []


@each_document
def test_every_environment_variable_exists(document: Path) -> None:
    assert set(VARIABLE.findall(text_of(document))) <= known_variables()


@each_document
def test_every_make_target_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(TARGET.findall(code_in(text_of(document)))) <= targets


def test_every_setting_and_command_is_in_the_reference() -> None:
    settings, cli = (text_of(REFERENCE / name) for name in ("settings.md", "cli.md"))

    assert {name for name in known_variables() if name not in settings} == set()
    assert {command for command in helps() if f"## `{command}`" not in cli} == set()


def test_help_fits_a_terminal_of_80_columns() -> None:
    lines = [line for text in helps().values() for line in text.splitlines()]

    assert [line for line in lines if len(line) > 80] == []


def test_help_breaks_no_url() -> None:
    url = "https://docs.temporal.io/develop/python/asynchronous-activity-completion"

    assert url in helps()["ringback client"]


def test_every_page_of_docs_can_be_reached() -> None:
    """From the README, link by link."""
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        links = [link.partition("#")[0] for link in LINK.findall(text_of(page))]
        targets = {(page.parent / link).resolve() for link in links if link.endswith(".md")}
        ahead += [target for target in targets - reached if target.is_file()]

    assert [page for page in DOCUMENTS if page.is_relative_to(ROOT / "docs")] == sorted(
        page for page in reached if page.is_relative_to(ROOT / "docs")
    )


@pytest.mark.parametrize(
    "words",
    [
        "asynchronous activity completion",
        "raise_complete_async",
        "task token",
        "ErrResultPending",
        "human in the loop",
        "approval",
        "webhook",
    ],
)
@pytest.mark.parametrize("page", ["README.md", "docs/README.md"])
def test_first_pages_contain_the_words_that_people_search_for(page: str, words: str) -> None:
    assert words.lower() in text_of(ROOT / page).lower()


def test_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) < 150


def test_sizing_repeats_the_figures_of_the_benchmarks() -> None:
    figure = re.compile(r"(?<![\d,.])\d[\d,.]*\d(?![\d,.])")
    measured = set(figure.findall(text_of(ROOT / "docs/explanation/speed.md")))
    rows = [
        line.split("|")
        for line in text_of(ROOT / "docs/howto/size.md").splitlines()
        if "](../explanation/speed.md)" in line
    ]

    repeated = {found for _, _, answer, *_ in rows for found in figure.findall(answer)}
    assert rows
    assert repeated - measured == set()
