"""The last section of every page: methods true to the settings, the settings, versions and inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.report.blocks import Block, Text
from stietime.report.methods import COHORT, OF_CELLS, OF_SECTIONS, describe
from stietime.report.section_makers import section
from stietime.report.tables import facts_table, table
from stietime.settings import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stietime.report.results import Results

CELL_GROUPS = ("inputs", "quality", "integration", "clustering", "annotation", "states")
SECTION_GROUPS = ("inputs", "annotation", "spatial", "structures")


def option_rows(group: Section, prefix: str = "") -> Iterator[dict[str, str]]:
    """List options with their value, default and description.

    Parameters
    ----------
    group
        A group of options, or all settings.
    prefix
        Name of the group, ending in a dot.
    """
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        if isinstance(value, Section):
            yield from option_rows(value, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        yield {
            "option": prefix + name,
            "value": _written(value),
            "default": "as default" if value == default else _written(default),
            "meaning": field.description or "",
        }


def _written(value: Any) -> str:  # noqa: ANN401 - any option
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def settings_table(results: Results, groups: tuple[str, ...] = ()) -> Block:
    """Make the table of settings.

    Parameters
    ----------
    results
        The results of a run.
    groups
        Groups that are listed; all when none is named.
    """
    rows = pd.DataFrame(option_rows(results.settings))
    if groups:
        rows = rows[rows["option"].str.split(".").str[0].isin(groups)]
    changed = int((rows["default"] != "as default").sum())
    caption = f"Settings of this run (n = {len(rows)}, {changed} other than the default)."
    return table(rows, caption, folded=f"Show the {len(rows)} settings", searchable=True)


@section("methods", "Methods, settings and provenance")
def record(results: Results) -> list[Block]:
    """How the numbers were made, with which settings, versions and inputs."""
    return [*describe(results, COHORT), settings_table(results), *_provenance(results), *_all_tables(results)]


def _provenance(results: Results) -> list[Block]:
    path = results.path("provenance")
    if not path.is_file():
        return [Text(f"The record of versions and inputs ({path.name}) was not written by this run.")]
    record = json.loads(path.read_text(encoding="utf-8"))
    link = (results.link("provenance"),)
    plain = {
        key.replace("_", " "): value for key, value in record.items() if not isinstance(value, dict | list)
    }
    packages = record.get("packages") or {}
    blocks: list[Block] = [
        facts_table(plain, "This run.", link),
        facts_table(packages, "Versions of the software used.", link),
    ]
    for key, caption in (
        ("inputs", "Input files with their SHA-256 checksums"),
        ("jobs", "Jobs with their commands"),
    ):
        rows = pd.DataFrame(record.get(key) or [])
        if len(rows):
            title = f"{caption} (n = {len(rows)})."
            blocks.append(
                table(rows, title, folded=f"Show: {caption.lower()}", sources=link, searchable=True)
            )
    return blocks


def _all_tables(results: Results) -> list[Block]:
    """List the tables of the cohort that are there, each a link."""
    wanted = [output for output, path in names.OUTPUT_PATHS.items() if path.startswith("cohort/")]
    found = [results.link(output) for output in wanted if results.has(output)]
    if not found:
        return []
    frame = pd.DataFrame({"table": [link.text for link in found]})
    address = {link.text: link.href for link in found}
    return [table(frame, "The tables of the cohort.", links={"table": lambda name: address[name]})]


@section("settings", "Methods and settings")
def sample_settings(results: Results) -> list[Block]:
    """Tell the methods and list the settings that this sample was treated with."""
    return [*describe(results, OF_CELLS), settings_table(results, CELL_GROUPS)]


@section("settings", "Methods and settings")
def tissue_settings(results: Results) -> list[Block]:
    """Tell the methods and list the settings that this section was treated with."""
    return [*describe(results, OF_SECTIONS), settings_table(results, SECTION_GROUPS)]
