"""Find the niches that all sections of a cohort share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.settings import Structures
from stietime.steps.arguments import add_path, add_paths, add_settings
from stietime.tissue.structures import niches, windows

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LOG = logging.getLogger(__name__)
SPOT_COLUMNS: Final = (names.CELL, "x_um", "y_um", names.CELL_TYPE)
NICHE_COLUMNS: Final = ("niche", "name", "n_cells", "share", "n_sections", "jaccard")
SHARE_COLUMNS: Final = ("section", "niche", "n_cells", "n_with_window", "n_all", "share")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--spots", "spots.parquet of every section, in the order of the sample sheet")
    add_settings(parser, Structures)
    add_path(parser, "--niches", "table of the niches to write (TSV)")
    add_path(parser, "--numbers", "table of the numbers of niches that were tried to write (TSV)")
    add_path(parser, "--shares", "table of the niches' shares of each section to write (TSV)")
    add_paths(parser, "--cells", "table of the cells' niches to write for every section (parquet), in order")


def run(arguments: argparse.Namespace) -> None:
    """Find niches over all sections, and give every cell of each section its niche.

    Raises
    ------
    InputError
        There are not as many tables to write as sections.
    """
    settings: Structures = arguments.settings
    if len(arguments.spots) != len(arguments.cells):
        what = f"{len(arguments.spots)} sections and {len(arguments.cells)} tables to write"
        raise InputError(what, "--cells", "name one table for each section, in the order of --spots")
    cells = [_read(path) for path in arguments.spots]
    types = sorted({str(t) for table in cells for t in table[names.CELL_TYPE].unique()} - {names.UNKNOWN})
    around = (_windows(table, types, settings) for table in cells)
    draw = niches.draw_windows(around, len(cells), settings.seed)
    found = niches.find_niches(
        draw, most=settings.max_niches, min_jaccard=settings.min_jaccard, seed=settings.seed
    )
    total, shares = np.zeros(len(types)), []
    given = []
    for table in cells:
        window = _windows(table, types, settings)
        niche = niches.assign(window.whole, found.centres)
        total += window.whole[window.has_window].sum(axis=0)
        shares.append(_shares(table, niche, int(window.has_window.sum()), len(found.centres)))
        given.append(niche)
    every = pd.concat(shares, ignore_index=True)
    table = _niches(found, every, total / max(total.sum(), 1), types)
    storage.write_table(table, arguments.niches)
    storage.write_table(found.numbers, arguments.numbers)
    storage.write_table(every, arguments.shares)
    for section, niche, path in zip(cells, given, arguments.cells, strict=True):
        storage.write_table(_niche_of(section, niche, list(table["name"])), path)
    n, n_given = sum(map(len, cells)), sum(int((niche >= 0).sum()) for niche in given)
    LOG.info("%d niches in %d sections: %s", len(table), len(cells), ", ".join(table["name"]) or "none")
    LOG.info("%d of %d cells have no niche", n - n_given, n)


def _niche_of(section: pd.DataFrame, niche: NDArray[np.int64], labels: list[str]) -> pd.DataFrame:
    number = pd.array(niche + 1, dtype="Int64")
    number[niche < 0] = pd.NA
    label = np.array([*labels, None], dtype=object)[niche]
    return storage.cell_table(pd.Index(section[names.CELL]), niche=number, niche_name=label)


def _read(path: Path) -> pd.DataFrame:
    table = storage.read_table(path, SPOT_COLUMNS)[list(SPOT_COLUMNS)]
    table[names.CELL_TYPE] = table[names.CELL_TYPE].astype(object).fillna(names.UNKNOWN).astype(str)
    return table


def _windows(table: pd.DataFrame, types: Sequence[str], settings: Structures) -> windows.Windows:
    codes = pd.Index(types).get_indexer(pd.Index(table[names.CELL_TYPE]))
    positions = table[["x_um", "y_um"]].to_numpy(dtype=float)
    return windows.windows(
        positions, codes, len(types), n_neighbours=settings.n_window, max_distance_um=settings.window_um
    )


def _shares(table: pd.DataFrame, niche: NDArray[np.int64], n_window: int, n_niches: int) -> pd.DataFrame:
    """Count the cells of each niche in one section."""
    section = str(table[names.CELL].iloc[0]).partition(":")[0]
    n_cells = np.bincount(niche[niche >= 0], minlength=n_niches)
    columns = {
        "section": section,
        "niche": np.arange(1, n_niches + 1),
        "n_cells": n_cells,
        "n_with_window": n_window,
        "n_all": len(table),
        "share": n_cells / n_window if n_window else np.nan,
    }
    return pd.DataFrame(columns, columns=list(SHARE_COLUMNS))


def _niches(
    found: niches.Niches, shares: pd.DataFrame, overall: NDArray[np.floating], types: Sequence[str]
) -> pd.DataFrame:
    """Describe the niches: name, size, sections, stability and composition, which is `share_<type>`."""
    numbers = np.arange(1, len(found.centres) + 1)
    rich = niches.rich_in(found.centres, overall, types)
    n_cells = shares.groupby("niche")["n_cells"].sum().reindex(numbers)
    n_sections = (shares["n_cells"] > 0).groupby(shares["niche"]).sum().reindex(numbers)
    columns = {
        "niche": numbers,
        "name": [f"{number}: {' + '.join(kinds)}" for number, kinds in zip(numbers, rich, strict=True)],
        "n_cells": n_cells.to_numpy(),
        "share": n_cells.to_numpy() / max(int(shares["n_cells"].sum()), 1),
        "n_sections": n_sections.to_numpy(),
        "jaccard": found.jaccard,
    }
    composition = pd.DataFrame(found.centres, columns=[f"share_{name}" for name in types])
    return pd.concat([pd.DataFrame(columns, columns=list(NICHE_COLUMNS)), composition], axis=1)
