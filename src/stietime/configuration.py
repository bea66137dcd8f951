"""Reading a configuration file; every mistake in it is told at once, with what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from stietime.errors import InputError, raise_all
from stietime.settings import Section, Settings

if TYPE_CHECKING:
    from pathlib import Path


def _location(parts: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in parts) or "(whole file)"


def _remedy(kind: str, names: list[str]) -> str:
    if kind == "extra_forbidden":
        return "remove it, or use one of: " + ", ".join(names)
    return "see config/README.md for what is allowed"


def _option_names(parts: tuple[int | str, ...]) -> list[str]:
    """Names allowed beside the last part of a location."""
    model: Any = Settings
    for part in parts[:-1]:
        field = model.model_fields.get(str(part))
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), None)
        if model is None:
            return []
    return sorted(model.model_fields)


def parse_settings(content: dict[str, Any], where: object) -> Settings:
    """Validate a configuration.

    Parameters
    ----------
    content
        The configuration as read from YAML, or as Snakemake hands it over.
    where
        The file it came from, for messages.

    Raises
    ------
    InputError
        Unknown options, wrong types, values out of range: all at once.
    """
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            value = "" if isinstance(item["input"], dict) else f" (found {item['input']!r})"
            what = f"{_location(item['loc'])}: {item['msg']}{value}"
            fix = _remedy(item["type"], _option_names(item["loc"]))
            problems.append(InputError(what, where, fix))
        raise_all(problems)
        raise


def read_settings(path: Path) -> Settings:
    """Read and validate a configuration file.

    Raises
    ------
    InputError
        The file is missing, is not YAML, or holds something that is not allowed.
    """
    if not path.is_file():
        msg = "the configuration file does not exist"
        raise InputError(msg, path, "check --configfile")
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        msg = f"not valid YAML: {error}"
        raise InputError(msg, path, "mend the line that is named") from None
    if not isinstance(content, dict):
        msg = "the file holds no options"
        raise InputError(msg, path, "write `option: value` lines")
    return parse_settings(content, path)
