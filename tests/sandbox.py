"""Run a command as a container would: read-only root, no capabilities, no root user, process id 1.

bubblewrap makes the namespaces, without an engine. The programs and libraries are those of this
machine; the mounts are those of the container. The network is this machine's.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from tests.services import missing

ROOT: Final = Path(__file__).parents[1]
_SYSTEM: Final = (
    *("/usr", "/bin", "/lib", "/lib64"),
    # Not /etc itself: a container may mount a folder there.
    *(
        f"/etc/{name}"
        for name in (
            *("passwd", "group", "hosts", "resolv.conf", "nsswitch.conf"),
            *("ld.so.cache", "localtime", "ssl", "alternatives"),
        )
    ),
)


@dataclass(frozen=True)
class Container:
    """What a manifest or a compose file says about a container.

    Attributes:
        command: The program and its arguments.
        environment: All of its environment but PATH and HOME.
        mounts: The folder of this machine for each folder in the container.
        read_only: Those of the folders in the container that cannot be written.
        folder: The working directory in the container; default `/`.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    mounts: Mapping[str, Path] = field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    folder: str = "/"

    @property
    def words(self) -> list[str]:
        """The command that runs it here."""
        binaries = Path(sys.executable).parent
        environment = {"PATH": f"{binaries}:/usr/bin:/bin", "HOME": "/", **self.environment}
        return [
            *("bwrap", "--die-with-parent", "--unshare-user", "--unshare-ipc", "--unshare-uts"),
            *("--unshare-pid", "--as-pid-1", "--uid", "1000", "--gid", "1000"),
            *("--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"),
            *_all("--ro-bind", {path: path for path in _SYSTEM if Path(path).exists()}),
            *_all("--bind", {k: v for k, v in self.mounts.items() if k not in self.read_only}),
            *_all("--ro-bind", {k: v for k, v in self.mounts.items() if k in self.read_only}),
            # After the mounts: the repository may be in /tmp.
            *_all("--ro-bind", {str(path): path for path in (Path(sys.base_prefix), ROOT)}),
            *("--remount-ro", "/", "--chdir", self.folder, "--clearenv"),
            *(word for pair in environment.items() for word in ("--setenv", *pair)),
            *("--", *self.command),
        ]


def _all(option: str, folders: Mapping[str, object]) -> list[str]:
    return [word for target, source in folders.items() for word in (option, str(source), target)]


@cache
def is_available() -> bool:
    """Check whether this user may make namespaces with bubblewrap."""
    probe = Container(["true"], {}).words
    return (
        shutil.which("bwrap") is not None
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed words
    )


def need_sandbox() -> None:
    """Skip the test, or fail it in CI, if there is no bubblewrap."""
    if not is_available():
        missing("bubblewrap", "install it with: apt-get install bubblewrap")


def process_1(bubblewrap: int) -> int:
    """Return the process id, outside, of what runs as process 1 in the sandbox.

    bubblewrap does not pass signals on.
    """
    text = Path(f"/proc/{bubblewrap}/task/{bubblewrap}/children").read_text("ascii")
    (child,) = map(int, text.split())
    return child
