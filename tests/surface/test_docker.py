"""Docker's files hold together, as far as that can be seen without an engine."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def copied() -> list[str]:
    """Return what the Dockerfile copies from this folder."""
    lines = re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_compose_file_fits_the_schema_of_compose() -> None:
    ran = subprocess.run(  # noqa: S603 - our own tool
        [
            Path(sys.executable).with_name("check-jsonschema"),
            *("--builtin-schema", "vendor.compose-spec"),
            *(ROOT / "docker-compose.yml", ROOT / "docker-compose.postgresql.yml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout


def test_services_run_without_rights_and_write_to_their_volumes_only() -> None:
    further = yaml.safe_load((ROOT / "docker-compose.postgresql.yml").read_text("utf-8"))
    services = {**SERVICES, "setup": further["services"]["setup"]}

    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_last_user_of_each_image_is_not_root() -> None:
    for stage in DOCKERFILE.split("\nFROM ")[1:3]:
        assert re.findall(r"^USER (\d+)$", stage, re.MULTILINE)[-1] == "1000"


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    ran = subprocess.run(  # noqa: S603 - our own tool
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (0, "")


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert set(copied()) == let_in
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_what_the_dockerfile_copies_suffices_for_the_package(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    for source in copied():
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, context / source, ignore=ignored)
        else:
            shutil.copy(ROOT / source, context)

    subprocess.run(  # noqa: S603 - our own interpreter
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", tmp_path, context),
        ],
        check=True,
    )

    (wheel,) = tmp_path.glob("*.whl")
    assert "ringback/cli/main.py" in zipfile.ZipFile(wheel).namelist()


def test_each_image_of_compose_is_built_by_make_build() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    built = re.findall(r"docker build (?:--target (\w+) )?--tag (\S+) \.", makefile)
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE))

    assert {service["image"] for service in SERVICES.values()} == {tag for _, tag in built}
    assert {target for target, _ in built if target} <= stages


def test_ports_are_published_on_this_machine_only() -> None:
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}

    assert published == {
        "temporal": ["127.0.0.1:7233:7233", "127.0.0.1:8080:8080"],
        "gateway": ["127.0.0.1:8000:8000"],
        "service": [],
        "worker": [],
        "example-service": [],
        "example-worker": [],
        "client": [],
        "tools": [],
    }


def test_each_dependency_is_a_service_that_can_become_what_is_waited_for() -> None:
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or "healthcheck" in SERVICES[name]


def test_each_volume_is_declared_or_a_folder_here() -> None:
    mounted = {one.partition(":")[0] for service in SERVICES.values() for one in service["volumes"]}

    assert mounted - {"."} == set(COMPOSE["volumes"])
