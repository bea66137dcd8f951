"""Arguments that several steps share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from stietime.errors import InputError
from stietime.settings import Compute

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from stietime.settings import Section


def _parser_of[Model: Section](model: type[Model], name: str) -> Callable[[str], Model]:
    def _parse(text: str) -> Model:
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(what, name, "use the options of config/README.md") from None

    return _parse


def add_settings(parser: argparse.ArgumentParser, model: type[Section], name: str = "--settings") -> None:
    """Add an argument that takes one group of options as JSON; without it the defaults hold.

    Parameters
    ----------
    parser
        The parser of a step.
    model
        The group of options, such as `stietime.settings.Quality`.
    name
        The argument: `--settings` for the step's own options, else named as the group.
    """
    group = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", model.__name__).lower()
    text = f"options of `{group}` as JSON (default: the defaults of config/README.md)"
    parser.add_argument(name, type=_parser_of(model, name), default=model(), metavar="JSON", help=text)


def add_compute(parser: argparse.ArgumentParser) -> None:
    """Add `--compute`, where a step over all cells computes; without it the defaults hold."""
    add_settings(parser, Compute, "--compute")


def add_path(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add a required argument that takes one path."""
    parser.add_argument(name, type=Path, required=True, metavar="FILE", help=text)


def add_paths(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add a required argument that takes one path or more, such as one per sample."""
    parser.add_argument(name, type=Path, required=True, nargs="+", metavar="FILE", help=text)


def add_optional_paths(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add an argument that takes any number of paths and may be left out."""
    parser.add_argument(name, type=Path, default=[], nargs="*", metavar="FILE", help=text)
