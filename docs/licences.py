"""The licences of what Ringback needs at run time, read from the installed distributions.

The page holds no versions: an update of a package must not change it.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT: Final = Path(__file__).parents[1]

PLATFORM: Final = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
"""What the page is for, so that every machine writes the same one."""

_SAME: Final = {
    "MIT License": "MIT",
    "The MIT License": "MIT",
    "BSD License": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD-2-Clause License": "BSD-2-Clause",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
}
"""Other names of licences."""

_COPYLEFT: Final = re.compile(r"GPL|MPL|EPL|EUPL|CDDL|OSL|Mozilla|GNU", re.IGNORECASE)

WEAK: Final = {
    "certifi": "the certificates of Mozilla. MPL-2.0 only concerns changes of its own files",
}
"""Packages with a weak copyleft, and what it means."""

VENDORED: Final = (
    ("tests/deploy/crds/*monitor.json, prometheusrule.json", "Prometheus Operator", "Apache-2.0"),
    ("tests/deploy/crds/httproute.json", "Kubernetes Gateway API", "Apache-2.0"),
)
"""Files of others in the repository: path, origin, licence. None is in the wheel."""


_PROJECT: Final = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def extras() -> list[str]:
    """Return the names of Ringback's extras."""
    return sorted(_PROJECT["optional-dependencies"])


def needed(extra: str | None = None) -> set[str]:
    """Return the names of all distributions that Ringback needs, with one extra or without.

    Raises:
        PackageNotFoundError: One of them is not installed; `make setup` installs all.
    """
    found: set[str] = set()
    waiting = [("ringback", frozenset({extra} if extra else ()))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        name, wanted = one
        found.add(name)
        waiting += [
            (canonicalize_name(requirement.name), frozenset(requirement.extras))
            for requirement in _requirements(name, wanted)
        ]
    return found - {"ringback"}


def _requirements(name: str, wanted: frozenset[str]) -> Iterator[Requirement]:
    for line in _of_ringback(wanted) if name == "ringback" else distribution(name).requires or []:
        requirement = Requirement(line)
        environments = [{**PLATFORM, "extra": extra} for extra in (wanted or {""})]
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            yield requirement


def _of_ringback(wanted: frozenset[str]) -> list[str]:
    """Return its requirements; not from its metadata, which are of its last installation."""
    optional = [line for extra in wanted for line in _PROJECT["optional-dependencies"][extra]]
    return [*_PROJECT["dependencies"], *optional]


def licence_of(name: str) -> str:
    """Return the licence of an installed distribution; empty if it is not known."""
    about = distribution(name).metadata
    if "License-Expression" in about:
        return about["License-Expression"]
    classified = [
        text.rpartition(" :: ")[2]
        for text in about.get_all("Classifier", [])
        if text.startswith("License :: ") and not text.endswith("OSI Approved")
    ]
    written = about["License"] if "License" in about else ""  # noqa: SIM401 - typed without `get`
    names = classified or ([written] if written and "\n" not in written else [])
    return " AND ".join(_SAME.get(one, one) for one in names)


def is_copyleft(licence: str) -> bool:
    """Check whether a licence demands something of programs that use the package."""
    return _COPYLEFT.search(licence) is not None


def all_needed() -> set[str]:
    """Return the names of all distributions that Ringback needs, with all extras."""
    return needed().union(*map(needed, extras()))


def text() -> str:
    """Return the body of the page."""
    bare = needed()
    by_extra = {extra: needed(extra) for extra in extras()}
    rows = []
    for name in sorted(all_needed()):
        used = "always" if name in bare else _used_by(name, by_extra)
        rows.append(f"| {name} | {licence_of(name)} | {used} |")
    weak = [f"- {name}: {about}." for name, about in WEAK.items()]
    files = [f"| `{path}` | {origin} | {licence} |" for path, origin, licence in VENDORED]
    return "\n".join([
        "Ringback has the licence [Apache-2.0](../../LICENSE). This is what it needs on Linux with"
        " Python 3.11, with the licence that each package declares. `make sbom` writes the same"
        " with versions, as CycloneDX.\n",
        "| Package | Licence | Needed |",
        "| --- | --- | --- |",
        *rows,
        "",
        "None has a strong copyleft (GPL, AGPL, LGPL). Those with a weak one:\n",
        *weak,
        "",
        "## Files of others\n",
        "The wheel contains no file of others. In the repository:\n",
        "| File | From | Licence |",
        "| --- | --- | --- |",
        *files,
        "",
    ])


def _used_by(name: str, by_extra: dict[str, set[str]]) -> str:
    users = [extra for extra, names in by_extra.items() if name in names]
    if "gateway" in users:
        users = ["gateway"]
    return ", ".join(f"`[{one}]`" for one in users)
