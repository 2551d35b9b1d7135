"""Words for strangers: what is wrong, without where on the server it lies."""

import re
from pathlib import Path

_PATH = re.compile(r"(?<![\w/:.~-])/(?:[^\s`'\":;,()/]+/)*([^\s`'\":;,()/]+)")
"""An absolute path, and its last part."""


def unplaced(text: str, root: Path) -> str:
    """A message without paths of the server.

    Args:
        text: what is said.
        root: paths below it are told from there on; of others the last part is left.

    >>> unplaced("`/srv/my runs/vine-2`: /srv/my runs/vine-2/model.safetensors: damaged",
    ...     Path("/srv/my runs"))
    '`vine-2`: vine-2/model.safetensors: damaged'
    >>> unplaced("[Errno 28] No space left on device: '/var/tmp/x'", Path("/srv"))
    "[Errno 28] No space left on device: 'x'"
    """
    return _PATH.sub(r"\1", text.replace(f"{root}/", ""))
