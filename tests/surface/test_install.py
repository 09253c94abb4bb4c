"""A worker and the command line work without the gateway's packages."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ringback.domain.api_key import KeyId, to_text

ROOT = Path(__file__).parents[2]
WITHOUT_PACKAGES = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
RENAMED = {"jsonschema-rs": "jsonschema_rs", "pydantic-settings": "pydantic_settings"}


def gateway_packages() -> set[str]:
    """Return the names under which the packages of the extras are imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    names = {one.partition(">")[0].partition("[")[0] for one in extras} - {"ringback"}
    # The client's httpx2 brings httpcore2 too.
    names -= {"httpcore2"}
    return {RENAMED.get(name, name) for name in names}


def run(code: str, without: set[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `code` in an interpreter that lacks these packages; by default all of the gateway's."""
    packages = sorted(without or gateway_packages())
    whole = WITHOUT_PACKAGES.format(packages=packages) + code
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", whole], capture_output=True, text=True, check=False
    )


def test_packages_of_the_gateway_are_known() -> None:
    assert {"fastapi", "sqlalchemy", "uvicorn", "asyncpg", "jsonschema_rs"} <= gateway_packages()


@pytest.mark.parametrize(
    "module",
    [
        "ringback.app.plugin",
        "ringback.worker.wait",
        "ringback.worker.gateway_runtime",
        "ringback.client.gateway_client",
        "ringback.completion.client",
        "ringback.testing",
    ],
)
def test_worker_side_is_imported_without_the_gateway(module: str) -> None:
    ran = run(f"import {module}")

    assert ran.returncode == 0, ran.stderr


def test_every_public_name_is_there_without_the_gateway() -> None:
    ran = run("import ringback\nfor name in ringback.__all__: getattr(ringback, name)")

    assert ran.returncode == 0, ran.stderr


def test_list_of_all_commands_does_not_import_a_package_that_one_of_them_needs() -> None:
    ran = run(
        "from ringback.cli.main import create_app\ncreate_app()\nassert 'mcp' not in sys.modules",
        without={"no_such_package"},
    )

    assert ran.returncode == 0, ran.stderr


def test_kit_without_the_gateway_says_what_to_install() -> None:
    ran = run("from ringback.testing import activity_environment")

    assert "pip install 'ringback[testing]'" in ran.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["list", "--help"], ["complete", "--help"], ["approve", "--help"]]
)
def test_command_line_shows_its_help_without_the_gateway(words: list[str]) -> None:
    ran = run(f"sys.argv[1:] = {words}\nfrom ringback.cli.main import main\nmain()")

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "words", [["list"], ["show", "cb_1"], ["complete", "cb_1"], ["approve", "cb_1"]]
)
def test_command_reaches_for_the_gateway_without_its_packages(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("RINGBACK_API_KEY", to_text(KeyId("operator"), "secret"))
    ran = run(f"sys.argv[1:] = {words}\nfrom ringback.cli.main import main\nmain()")

    assert ran.returncode == 3, ran.stderr
    assert "the gateway at http://127.0.0.1:1 cannot be reached" in ran.stderr


def test_command_of_the_gateway_says_what_to_install() -> None:
    ran = run("sys.argv[1:] = ['serve']\nfrom ringback.cli.main import main\nmain()")

    assert ran.returncode == 2
    assert "pip install 'ringback[gateway]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_command_for_assistants_says_what_to_install() -> None:
    ran = run("sys.argv[1:] = ['mcp']\nfrom ringback.cli.main import main\nmain()")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "ringback: this command needs mcp; run: pip install 'ringback[mcp]'\n"


def test_gateway_in_a_program_says_what_to_install() -> None:
    ran = run("""
import asyncio, ringback
async def main():
    async with ringback.run_gateway(port=0): pass
try: asyncio.run(main())
except ringback.ConfigurationError as exc: print(exc)
""")

    assert "run: pip install 'ringback[gateway]'" in ran.stdout, ran.stderr


SERVE = "sys.argv[1:] = ['serve', '--port', '0']\nfrom ringback.cli.main import main\nmain()"
OIDC = {"ISSUER": "https://id.example.org", "CLIENT_ID": "ringback", "CLIENT_SECRET": "s" * 32}


@pytest.mark.parametrize(
    ("package", "settings", "named", "extra"),
    [
        (
            "aiosmtplib",
            {"MAIL_URL": "smtp://127.0.0.1:1", "MAIL_FROM": "ringback@example.org"},
            "RINGBACK_MAIL_URL",
            "notify",
        ),
        ("apprise", {"PEOPLE_FILE": "people.toml"}, "ops in RINGBACK_PEOPLE_FILE", "notify"),
        (
            "authlib",
            {f"OIDC_{name}": value for name, value in OIDC.items()},
            "RINGBACK_OIDC_ISSUER",
            "oidc",
        ),
    ],
    ids=["mail", "apprise", "oidc"],
)
def test_gateway_whose_settings_need_an_extra_says_what_to_install(
    package: str,
    settings: dict[str, str],
    named: str,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("people.toml").write_text('[channels]\nops = "json://127.0.0.1:1"\n', "utf-8")
    for name, value in {**settings, "DATA": str(tmp_path), "TEMPORAL": "127.0.0.1:1"}.items():
        monkeypatch.setenv(f"RINGBACK_{name}", value)

    ran = run(SERVE, {package})

    assert ran.returncode == 2, ran.stderr
    assert f"{named} needs {package}; run: pip install 'ringback[{extra}]'" in ran.stderr
    assert "Traceback" not in ran.stderr
