"""The page's files: each with its kind, and with how long a browser may keep it."""

import os
from pathlib import PurePath

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
"""Said here, as what a machine knows of endings differs, and browsers are told not to guess."""
FOR_EVER, ASK_FIRST = "public, max-age=31536000, immutable", "no-cache"


class PageFiles(StaticFiles):
    """Built files: those below `assets/` are named by their content, and never change."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """A file, or word that the browser has it already."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        path = PurePath(full_path)
        answer.headers["cache-control"] = FOR_EVER if path.parent.name == "assets" else ASK_FIRST
        if path.suffix in KINDS:
            answer.headers["content-type"] = KINDS[path.suffix]
        return answer
