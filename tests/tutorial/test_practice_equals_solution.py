"""A practice folder is its solution minus the marked regions, so the two cannot drift."""

from pathlib import Path

import pytest

from tests.tutorial.exercises import EXERCISES, Region, files_of, take_apart

FILES = [
    pytest.param(exercise, file, id=f"{exercise.name}/{file}")
    for exercise in EXERCISES
    for file in files_of(exercise / "solution")
]
REGIONS = [
    pytest.param(exercise, file, index, id=f"{exercise.name}/{file}-{index}-{region.part}")
    for exercise in EXERCISES
    for file in files_of(exercise / "solution")
    for index, region in enumerate(take_apart((exercise / "solution" / file).read_bytes()).regions)
]
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda path: path.name)
each_region = pytest.mark.parametrize(("exercise", "file", "index"), REGIONS)


def region_of(folder: Path, file: Path, index: int) -> Region:
    return take_apart((folder / file).read_bytes()).regions[index]


def test_the_exercises_are_numbered_from_one() -> None:
    assert len(EXERCISES) >= 2
    assert [exercise.name[:3] for exercise in EXERCISES] == [
        f"{number:02}-" for number in range(1, len(EXERCISES) + 1)
    ]


@each_exercise
def test_an_exercise_is_a_readme_a_practice_and_a_solution(exercise: Path) -> None:
    found = {path.name for path in exercise.iterdir() if not path.name.startswith(".")}

    assert found == {"README.md", "practice", "solution"}


@each_exercise
def test_practice_and_solution_have_the_same_files(exercise: Path) -> None:
    assert files_of(exercise / "practice") == files_of(exercise / "solution")


@pytest.mark.parametrize(("exercise", "file"), FILES)
def test_outside_the_regions_practice_is_the_solution(exercise: Path, file: Path) -> None:
    practice = take_apart((exercise / "practice" / file).read_bytes())
    solution = take_apart((exercise / "solution" / file).read_bytes())

    assert practice.outside == solution.outside
    assert len(practice.regions) == len(solution.regions)


@each_region
def test_a_solution_region_holds_what_practice_lacks(
    exercise: Path, file: Path, index: int
) -> None:
    solved = region_of(exercise / "solution", file, index)
    practice = region_of(exercise / "practice", file, index)

    assert solved.statements()
    assert not set(solved.statements()) & set(practice.statements())
    assert "TODO" not in solved.text


@each_region
def test_a_practice_region_says_what_to_do(exercise: Path, file: Path, index: int) -> None:
    region = region_of(exercise / "practice", file, index)

    assert region.text.lstrip().startswith(f"# TODO PART {region.part}: ")
    assert len(region.statements()) <= 1


@each_region
def test_the_readme_names_the_part_and_its_file(exercise: Path, file: Path, index: int) -> None:
    readme = (exercise / "README.md").read_text(encoding="utf-8")
    part = region_of(exercise / "practice", file, index).part

    told = readme.partition(f"\n## Part {part}: ")[2].partition("\n## ")[0]

    assert f"`{file}`" in told


@each_exercise
def test_the_readme_keeps_the_order_of_an_exercise(exercise: Path) -> None:
    readme = (exercise / "README.md").read_text(encoding="utf-8")

    headings = [line[3:].split(":")[0] for line in readme.splitlines() if line[:3] == "## "]

    assert headings == [
        "What you will do",
        "Where to edit",
        "Prerequisites",
        "Part A",
        "Part B",
        "Part C",
        "Part D",
        "What you should see",
        "What can go wrong",
    ]


@pytest.mark.parametrize(
    "source",
    [
        b"# PART A: open\n",
        b"# END PART A\n",
        b"# PART A: open\n# END PART B\n",
        b"# PART A: open\n# PART B: nested\n# END PART B\n# END PART A\n",
    ],
)
def test_markers_that_do_not_pair_up_are_refused(source: bytes) -> None:
    with pytest.raises(ValueError, match=r"do not pair up|does not end"):
        take_apart(source)
