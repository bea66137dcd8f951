"""Public cells through our chain up to the states, and the plain scores of scanpy on the same cells."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import anndata as ad
import pandas as pd

from benchmarks.chain_runs import run_chain
from benchmarks.record import NAN
from stietime import names, storage
from stietime.resources import read_markers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

SCANPY: Final = "scanpy score_genes"


@dataclass(frozen=True)
class Found:
    """What the chain found in the cells it kept.

    Parameters
    ----------
    cells
        One row per kept cell, by cell: the types, the scores and the calls.
    counts
        Counts of the same cells in the same order; `obs` holds the file's own columns as `source_<name>`.
    rules
        `state_rules.tsv`, by set.
    n_loaded
        Cells before quality control.
    """

    cells: pd.DataFrame
    counts: ad.AnnData
    rules: pd.DataFrame
    n_loaded: int

    def source(self, column: str) -> pd.Series:
        """Give a column of the file, as text."""
        obs = cast("pd.DataFrame", self.counts.obs)
        return obs[f"{names.SOURCE_PREFIX}{column}"].astype(str)

    def called(self, state: str) -> np.ndarray:
        """Say which cells are called as a state; none where it is not testable (`tests`)."""
        column = self.cells[names.call_column(state)].astype("boolean")
        return column.fillna(value=False).to_numpy(dtype=bool)

    def tests(self, state: str) -> bool:
        """Whether a state is testable in these cells."""
        return bool(self.cells[names.call_column(state)].notna().any())

    def share_called(self, state: str, cells: np.ndarray) -> float:
        """Give the share of some cells that is called as a state; nan where it is not testable."""
        return float(self.called(state)[cells].mean()) if self.tests(state) and cells.any() else NAN

    def fact(self, set_id: str, column: str) -> float:
        """Give a number that the rules tell of a set."""
        return float(self.rules[column].astype(float)[set_id])

    def note(self, set_id: str) -> str:
        """Give the note of a set."""
        return str(self.rules["note"].astype(str)[set_id])


def find_states(rows: list[dict[str, str]], options: Mapping[str, object] | None = None) -> Found:
    """Run the chain up to the states, with its defaults unless options say otherwise.

    Parameters
    ----------
    rows
        The sample sheet.
    options
        What differs from the default.
    """
    outputs = names.Outputs("results")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_chain(rows, options or {}, [outputs.states, outputs.state_rules, outputs.state_likeness], folder)
        tables = [
            storage.read_table(folder / path)
            for path in (outputs.cell_types, outputs.states, outputs.state_likeness)
        ]
        cells = pd.concat([table.set_index(names.CELL) for table in tables], axis=1)
        rules = storage.read_table(folder / outputs.state_rules).set_index("set_id")
        paths = [folder / outputs.counts.format(sample=row["sample"]) for row in rows]
        every = ad.concat([ad.read_h5ad(path) for path in paths], join="inner")
        return Found(cells, every[cells.index].copy(), rules, every.n_obs)


def rank_of(name: str, score: pd.Series, groups: pd.Series, least: int = 1) -> float:
    """Rank a group of cells by its mean score among the groups of enough cells, 1 the highest.

    Parameters
    ----------
    name
        The group.
    score
        One value per cell.
    groups
        Group of each cell, in the same order.
    least
        Cells that another group needs to count.
    """
    found = score.groupby(groups.to_numpy()).agg(["mean", "size"])
    means = found.loc[(found["size"] >= least) | (found.index == name), "mean"]
    return float((means > means[name]).sum() + 1)


def plain_scores(counts: ad.AnnData, sets: Sequence[str], species: str = "human") -> pd.DataFrame:
    """Score the positive genes of some sets with scanpy's `score_genes`, its defaults.

    Parameters
    ----------
    counts
        Counts of cells.
    sets
        Sets of the marker table.
    species
        human or mouse.

    Returns
    -------
    Cells x sets.
    """
    import scanpy as sc

    plain = counts.copy()
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    markers = read_markers("mouse" if species == "mouse" else "human")
    positive = markers[markers["direction"] == "positive"]
    for name in sets:
        genes = positive.loc[positive["set_id"] == name, "gene"]
        sc.tl.score_genes(plain, [gene for gene in genes if gene in plain.var_names], score_name=name)
    return cast("pd.DataFrame", plain.obs)[list(sets)].astype(float)
