"""Notes beside what they are about: whole, or as they were before, whenever a plug is pulled."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(path: Path, told: Mapping[str, Any]) -> None:
    """Have this note and no other, on the disk when it returns; or else the one before."""
    scratch = path.with_name(f".{path.name}")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
