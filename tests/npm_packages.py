"""Packages from npm that tests run beside ours, installed once per machine."""

import hashlib
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from platformdirs import user_cache_path

from tests.services import missing


def installed_packages(packages: Path, what: str) -> Path:
    """Return the folder `node_modules` with `packages`, a `package.json`.

    Args:
        packages: The file, which is copied and installed.
        what: What the packages are, for the message if they cannot be installed.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        missing(what, "install node 20 and npm")
    version = hashlib.sha256(packages.read_bytes()).hexdigest()[:12]
    folder = user_cache_path("ringback-tests") / f"{packages.parent.name}-{version}"
    if not folder.exists():
        _install(npm, packages, folder, what=what)
    return folder / "node_modules"


def _install(npm: str, packages: Path, folder: Path, *, what: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Tests may run in several processes: the first that is done leaves its copy to the others.
    with TemporaryDirectory(dir=folder.parent) as fresh:
        shutil.copy(packages, Path(fresh) / "package.json")
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock")
        try:
            subprocess.run(  # noqa: S603 - the words stand here
                [npm, "install", *options], cwd=fresh, check=True, timeout=60, capture_output=True
            )
        except subprocess.SubprocessError:
            missing(what, f"run `npm install` where {packages} is copied to")
        with suppress(OSError):
            Path(fresh).rename(folder)
            Path(fresh).mkdir()
