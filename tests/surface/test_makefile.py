"""The Makefile's targets, with a `docker` that writes down what it is asked."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = """#!/bin/sh
echo "$*" >> "$DOCKER_LOG"
case "$*" in "volume ls"*) echo "$DOCKER_VOLUMES" ;; esac
"""
NO_DOCKER = """#!/bin/sh
echo "$*" >> "$DOCKER_LOG"
exit 1
"""
LOOKS = ("compose version", "info", "volume ls")
STATE = ("ringback.db", "ringback.db-wal", "ringback.keys", "temporal.db", "worker.key")


@dataclass(frozen=True)
class Place:
    """A copy of the files that `make` needs, with programs and a home of its own."""

    root: Path
    environment: dict[str, str]

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.root / "data"

    def has_docker(self, script: str, *, volumes: str = "") -> None:
        """Put a `docker` in front of the PATH."""
        docker = self.root / "bin" / "docker"
        docker.parent.mkdir(exist_ok=True)
        docker.write_text(script)
        docker.chmod(0o755)
        self.environment["DOCKER_VOLUMES"] = volumes

    def make(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run `make`."""
        return subprocess.run(  # noqa: S603 - our own Makefile
            ["make", "--no-print-directory", *words],  # noqa: S607 - make is on the path
            cwd=self.root,
            env=self.environment,
            input=answer,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def asked_of_docker(self) -> list[str]:
        """What `docker` was asked to do."""
        lines = (self.root / "docker.log").read_text().splitlines()
        return [line for line in lines if not line.startswith(LOOKS)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "scripts").mkdir()
    for name in ("Makefile", "scripts/clean"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "data").mkdir()
    for name in (*STATE, "mine.txt"):
        (tmp_path / "data" / name).touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return Place(
        tmp_path,
        {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "RINGBACK_DATA": str(tmp_path / "data"),
            "DOCKER_LOG": str(tmp_path / "docker.log"),
        },
    )


def test_client_runs_in_docker_if_nothing_is_installed_here(place: Place) -> None:
    place.has_docker(DOCKER)

    ran = place.make("client", "ARGS=-ttr 1 -a fail")

    assert ran.returncode == 0, ran.stderr
    assert place.asked_of_docker == [
        "build --tag ringback .",
        "build --target tools --tag ringback-tools .",
        "compose run --rm client -ttr 1 -a fail",
    ]


def test_lint_runs_in_docker_as_this_user_if_nothing_is_installed_here(place: Place) -> None:
    place.has_docker(DOCKER)

    ran = place.make("lint")

    assert ran.returncode == 0, ran.stderr
    user = f"--user {os.getuid()}:{os.getgid()}"
    assert place.asked_of_docker[-1] == (
        f"compose run --rm --no-deps --workdir /src {user} tools"
        " bash -c ruff check --fix . && ruff format ."
    )


@pytest.mark.parametrize("target", ["build", "shell", "up", "down"])
def test_target_of_docker_without_an_engine_says_what_it_needs(place: Place, target: str) -> None:
    place.has_docker(NO_DOCKER)

    ran = place.make(target)

    assert ran.returncode != 0
    assert "needs a running Docker engine" in ran.stdout
    assert place.asked_of_docker == []


def test_clean_removes_containers_networks_volumes_and_what_dev_stored(place: Place) -> None:
    place.has_docker(DOCKER, volumes="ringback_data")

    ran = place.make("clean", "FORCE=1")

    assert ran.returncode == 0, ran.stderr
    assert place.asked_of_docker == [
        "compose --profile tools down --remove-orphans",
        "compose --profile tools down --volumes",
    ]
    assert [path.name for path in place.data.iterdir()] == ["mine.txt"]
    assert not (place.root / ".venv").exists()


def test_clean_says_what_it_removes(place: Place) -> None:
    place.has_docker(DOCKER, volumes="ringback_data")

    said = place.make("clean", "FORCE=1").stdout

    assert "removing caches: .venv" in said
    assert "Docker volume ringback_data" in said
    assert [name for name in STATE if f"  {place.data / name}" not in said] == []


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
def test_clean_keeps_data_without_a_yes(place: Place, answer: str) -> None:
    place.has_docker(DOCKER, volumes="ringback_data")

    ran = place.make("clean", answer=answer)

    assert ran.returncode == 0, ran.stderr
    assert "kept the data" in ran.stdout
    assert place.asked_of_docker == ["compose --profile tools down --remove-orphans"]
    assert {path.name for path in place.data.iterdir()} == {*STATE, "mine.txt"}


def test_clean_removes_data_after_a_yes(place: Place) -> None:
    place.has_docker(NO_DOCKER)

    ran = place.make("clean", answer="y\n")

    assert "removed the data" in ran.stdout
    assert place.asked_of_docker == []
    assert [path.name for path in place.data.iterdir()] == ["mine.txt"]


def test_clean_of_what_is_clean_asks_nothing(place: Place) -> None:
    place.has_docker(NO_DOCKER)
    place.make("clean", "FORCE=1")

    ran = place.make("clean")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "data of Ringback" not in ran.stdout
