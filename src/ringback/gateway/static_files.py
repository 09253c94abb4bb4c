"""Files that pages load from this gateway."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from ringback.gateway.replies import not_found

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parent / "static"
_SCRIPTS: Final[dict[str, str]] = {}
"""The text of each script, by the name in its path."""


def _add_script(name: str) -> str:
    """Return the path of a script. It names the version, so browsers may cache it."""
    text = (_FOLDER / f"{name}.js").read_text("utf-8")
    versioned = f"{name}-{sha256(text.encode()).hexdigest()[:16]}.js"
    _SCRIPTS[versioned] = text
    return f"/static/{versioned}"


INBOX_SCRIPT: Final = _add_script("inbox")
TIMES_SCRIPT: Final = _add_script("times")


@router.head("/static/{name}")
@router.get("/static/{name}")
async def get_script(name: str) -> Response:
    """Return a script of a page."""
    if name not in _SCRIPTS:
        return not_found()
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(_SCRIPTS[name], media_type="text/javascript", headers=headers)
