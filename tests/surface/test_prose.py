"""The prose check: every pattern does what it says, and no file or string escapes it."""

import dataclasses
from pathlib import Path

import pytest

from docs import prose

RULES = prose.load_rules()
BAD = "it tells the outside anew"
"""Three hits."""


def hits_in(path: Path, text: str) -> int:
    path.write_text(text, "utf-8")
    return len(prose.count([path], RULES.patterns).hits)


@pytest.mark.parametrize("pattern", RULES.patterns, ids=lambda pattern: pattern.name)
def test_a_pattern_finds_its_bad_example_and_not_its_good_one(pattern: prose.Pattern) -> None:
    assert pattern.regex.search(prose.to_plain(pattern.bad))
    assert not pattern.regex.search(prose.to_plain(pattern.good))
    assert pattern.reason


@pytest.mark.parametrize("group", RULES.groups, ids=lambda group: group.name)
def test_a_group_is_below_the_limit(group: prose.Group) -> None:
    result = prose.count(prose.files_in(group.paths), RULES.patterns)

    assert result.rate < RULES.limit


@pytest.mark.parametrize("path", [*(path for group in RULES.groups for path in group.paths)])
def test_a_path_names_a_file(path: str) -> None:
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
        "it te\u00adlls the out\u200bside an&shy;ew",
        "it **tells** the\n*outside* [anew](anew.md)",
        "- it tells\n  the outside\n  anew",
        "| a | it tells the outside anew |",
        "`it tells the outside anew`",
        "<!-- it tells the outside anew -->",
        "```python\n# it tells the\n# outside anew\n```",
        "```python\nprint('it tells the outside anew')\n```",
        "```text\nit tells the\noutside anew\n```",
        "```\nit tells the outside anew\n```",
        "```yaml\na: b # it tells the outside anew\n```",
    ],
)
def test_markdown_hides_nothing(tmp_path: Path, text: str) -> None:
    assert hits_in(tmp_path / "page.md", text) == 3


@pytest.mark.parametrize(
    "text",
    [
        f'"""{BAD}"""',
        f"# {BAD}",
        "# it tells the\n# outside anew",
        f'raise ValueError("{BAD}")',
        'text = "it tells " "the out" "side anew"',
        'text = "it tells " + "the outside " + str(1) + " anew"',
        'text = f"it tells the outside {1} anew"',
        'text = "tells the outside" if yes else "anew and more"',
        "def test_it_tells_the_outside_anew(): ...",
    ],
)
def test_python_hides_nothing(tmp_path: Path, text: str) -> None:
    assert hits_in(tmp_path / "module.py", text) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.html.j2", f"<p>{BAD}</p>"),
        ("page.html.j2", "<p>it <b>tells</b> {{ name }} the outside anew</p>"),
        ("settings.toml", f"a = 1 # {BAD}"),
        ("Makefile", f"docs: setup ## {BAD}"),
        ("model.pml", f"/* {BAD} */"),
    ],
)
def test_other_files_hide_nothing(tmp_path: Path, name: str, text: str) -> None:
    assert hits_in(tmp_path / name, text) == 3


def test_code_is_not_prose(tmp_path: Path) -> None:
    assert hits_in(tmp_path / "page.md", "Call `tells()`.\n\n```python\ntells = anew()\n```") == 0


def test_a_group_with_too_many_hits_is_red(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).relative_to(prose.ROOT)
    group = prose.Group("tests", (str(page),))

    code = prose.main([], dataclasses.replace(RULES, groups=(group,)))

    assert code == 1
    assert f"{page}: …" in capsys.readouterr().out


def test_what_is_listed_is_green() -> None:
    assert prose.main([]) == 0
