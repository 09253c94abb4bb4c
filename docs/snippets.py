"""Type-check the Python of every page: `python -m docs.snippets`, a part of `make check`.

The blocks of a page are one module, in order, as a reader meets them.
"""

import re
import subprocess
import sys
import textwrap
from typing import Final

from docs.prose import ROOT, files_in

OUTPUT: Final = ROOT / "build" / "snippets"
_FENCE: Final = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_STATEMENT: Final = re.compile(r"^(await|return) ")
_OPTIONS: Final = '# mypy: disable-error-code="import-not-found"'
"""A page may import a module of its reader's. As an option of mypy's it would void mypy's cache."""
ASSUMED: Final = {
    "docs/howto/converters-and-types.md": """
from dataclasses import dataclass
from ringback import Callback, wait_for_callback
@dataclass
class Receipt: ...
async def submit(callback: Callback) -> None: ...
""",
    "docs/howto/deadlines-and-attempts.md": "from temporalio import workflow\norder = 'order-81'\n",
}
"""What a page leaves to its reader."""


def modules() -> dict[str, str]:
    """Return the Python of each page as a module, by the page's path."""
    pages = {
        str(path.relative_to(ROOT)): [
            found[2] for found in _FENCE.finditer(path.read_text("utf-8"))
        ]
        for path in files_in(["."])
        if path.suffix == ".md"
    }
    # The README repeats a part of its whole program.
    pages["README.md"] = [block for block in pages["README.md"] if block.startswith("import")]
    return {
        page: ASSUMED.get(page, "") + "\n\n".join(map(_to_module, range(len(blocks)), blocks))
        for page, blocks in pages.items()
        if blocks
    }


def _to_module(number: int, block: str) -> str:
    """Give statements that belong in a function a function around them."""
    block = textwrap.dedent(block)
    if not _STATEMENT.match(block):
        return block
    body = textwrap.indent(f"{block}return None\n", "    ")
    return f"async def part_{number}() -> object:\n{body}"


def main() -> int:
    """Write the modules and run mypy on them."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for old in OUTPUT.iterdir():
        old.unlink()
    for page, code in modules().items():
        name = re.sub(r"\W", "_", page.removesuffix(".md"))
        (OUTPUT / f"page_{name}.py").write_text(f"{_OPTIONS}\n{code}", "utf-8")
    command = [sys.executable, "-m", "mypy", *map(str, sorted(OUTPUT.iterdir()))]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - mypy on our own pages


if __name__ == "__main__":
    sys.exit(main())
