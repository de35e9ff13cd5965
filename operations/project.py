"""Where things are, and what the stages are called: read from the project's own files."""

import json
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).absolute().parent.parent
BUILD: Final = ROOT / "build"
CONFIG: Final = ROOT / ".chalice" / "config.json"


def chalice_config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads(CONFIG.read_text())
    return config


def stages() -> list[str]:
    return sorted(chalice_config()["stages"])


def stage_environment(stage: str) -> dict[str, str]:
    """What .chalice/config.json sets for the functions of a stage."""
    environment: dict[str, str] = chalice_config()["stages"][stage]["environment_variables"]
    return environment
