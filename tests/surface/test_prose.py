"""Every pattern of the prose check finds its example, and the check reads every file."""

import dataclasses
import re
from pathlib import Path

import pytest

from docs import prose

RULES = prose.load_rules()
BAD = "it flies the kite upward"
"""Three hits of `PATTERNS`, which no real text has."""

PATTERNS = [
    prose.Pattern(word, re.compile(rf"\b{word}\b", re.IGNORECASE), "a test", word, "")
    for word in ("flies", "the kite", "upward")
]


def hits_in(path: Path, text: str) -> int:
    path.write_text(text, "utf-8")
    return len(prose.count([path], PATTERNS).hits)


@pytest.mark.parametrize("pattern", RULES.patterns, ids=lambda pattern: pattern.name)
def test_pattern_finds_its_bad_example_and_not_its_good_one(pattern: prose.Pattern) -> None:
    assert pattern.regex.search(prose.to_plain(pattern.bad))
    assert not pattern.regex.search(prose.to_plain(pattern.good))
    assert pattern.reason


@pytest.mark.parametrize("path", [*(path for group in RULES.groups for path in group.paths)])
def test_path_names_a_file(path: str) -> None:
    assert prose.files_in([path])


def test_every_readable_file_is_checked_or_is_listed_for_later() -> None:
    listed = [path for group in RULES.groups for path in group.paths]

    assert set(prose.files_in(["."])) == set(prose.files_in([*listed, *RULES.later]))


def test_no_path_is_checked_and_listed_for_later() -> None:
    checked = {path for group in RULES.groups for path in group.paths}

    assert checked.isdisjoint(RULES.later)


@pytest.mark.parametrize(
    "text",
    [
        BAD,
        "it fl\u00adies the ki\u200bte up&shy;ward",
        "it **flies** the\n*kite* [upward](upward.md)",
        "- it flies\n  the kite\n  upward",
        "| a | it flies the kite upward |",
        "`it flies the kite upward`",
        "<!-- it flies the kite upward -->",
        "```python\n# it flies the\n# kite upward\n```",
        "```python\nprint('it flies the kite upward')\n```",
        "```text\nit flies the\nkite upward\n```",
        "```\nit flies the kite upward\n```",
        "```yaml\na: b # it flies the kite upward\n```",
    ],
)
def test_markdown_hides_nothing(tmp_path: Path, text: str) -> None:
    assert hits_in(tmp_path / "page.md", text) == 3


@pytest.mark.parametrize(
    "text",
    [
        f'"""{BAD}"""',
        f"# {BAD}",
        "# it flies the\n# kite upward",
        f'raise ValueError("{BAD}")',
        'text = "it flies " "the ki" "te upward"',
        'text = "it flies " + "the kite " + str(1) + " upward"',
        'text = f"it flies the kite {1} upward"',
        'text = "flies the kite" if yes else "upward and more"',
        "def test_it_flies_the_kite_upward(): ...",
    ],
)
def test_python_hides_nothing(tmp_path: Path, text: str) -> None:
    assert hits_in(tmp_path / "module.py", text) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.html.j2", f"<p>{BAD}</p>"),
        ("page.html.j2", "<p>it <b>flies</b> {{ name }} the kite upward</p>"),
        ("settings.toml", f"a = 1 # {BAD}"),
        ("Makefile", f"docs: setup ## {BAD}"),
        ("model.pml", f"/* {BAD} */"),
    ],
)
def test_other_files_hide_nothing(tmp_path: Path, name: str, text: str) -> None:
    assert hits_in(tmp_path / name, text) == 3


def test_code_is_not_prose(tmp_path: Path) -> None:
    assert hits_in(tmp_path / "page.md", "Call `flies()`.\n\n```python\nflies = upward()\n```") == 0


def test_group_with_too_many_hits_is_red(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).relative_to(prose.ROOT)
    group = prose.Group("tests", (str(page),))

    code = prose.main([], dataclasses.replace(RULES, groups=(group,), patterns=tuple(PATTERNS)))

    assert code == 1
    assert f"{page}: …" in capsys.readouterr().out


def test_a_group_below_the_limit_is_green() -> None:
    documentation = dataclasses.replace(RULES, groups=RULES.groups[:1])

    assert prose.main([], documentation) == 0
