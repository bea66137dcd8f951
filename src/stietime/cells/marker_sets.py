"""Marker sets as matrices over the genes of a dataset, with what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_COLUMNS = ("set_id", "parent", "direction", "gene", "weight")


@dataclass(frozen=True)
class MarkerSets:
    """Marker sets restricted to the genes of a dataset.

    Parameters
    ----------
    genes
        The genes of the dataset that are in any set; rows of the matrices.
    set_ids
        The sets; columns of the matrices.
    positive
        Genes x sets, above 0 where the gene is a positive marker of the set: its weight, or 1.
    negative
        Genes x sets, above 0 where the gene must be low in the set: its weight, or 1.
    coverage
        One row per set: set_id, parent, n_positive, n_present, coverage (share of the positive genes that
        are in the dataset), n_negative, negative_coverage (the same of the negative genes; nan for a set
        without), genes_missing (positive and negative, comma-separated).
    """

    genes: pd.Index
    set_ids: pd.Index
    positive: sparse.csr_matrix
    negative: sparse.csr_matrix
    coverage: pd.DataFrame

    def genes_of(self, set_id: str, direction: str = "positive") -> list[str]:
        """Name the genes of one set that are in the dataset.

        Parameters
        ----------
        set_id
            A set of these sets.
        direction
            positive or negative.
        """
        matrix = self.positive if direction == "positive" else self.negative
        column = matrix[:, positions(self.set_ids, [set_id])].toarray().ravel() > 0
        return [str(gene) for gene in self.genes[column]]


def positions(names: pd.Index, wanted: Iterable[str]) -> NDArray[np.intp]:
    """Find where names stand in an index; -1 for one that is not there.

    Parameters
    ----------
    names
        Such as the genes of a dataset.
    wanted
        Names to look up.
    """
    return np.asarray(names.get_indexer(pd.Index(list(wanted), dtype=object)))


def shared_genes(panels: Iterable[pd.Index]) -> pd.Index:
    """Find the genes that are in every panel, in the order of the first.

    Parameters
    ----------
    panels
        The genes of each sample.
    """
    genes, *others = panels
    for panel in others:
        genes = genes if genes.equals(panel) else genes[genes.isin(panel)]
    return genes


def match_marker_sets(
    markers: pd.DataFrame,
    genes: Iterable[str],
    set_ids: Sequence[str] | None = None,
    *,
    weighted: bool = False,
) -> MarkerSets:
    """Find the genes of marker sets in a dataset.

    Parameters
    ----------
    markers
        One row per set and gene: set_id, parent, direction (positive, negative), gene, weight.
    genes
        Gene symbols of the dataset, unique.
    set_ids
        The sets to take, in this order; all sets of the table when left out.
    weighted
        Whether genes carry the weight of the table; a rank-based score counts all genes of a set alike.

    Raises
    ------
    InputError
        A column of the table is missing, or a set is asked for that it does not hold.
    """
    _check_table(markers, set_ids)
    wanted = pd.Index(markers["set_id"].unique() if set_ids is None else list(set_ids), dtype=object)
    rows = markers[markers["set_id"].isin(wanted)]
    available = pd.Index(list(genes), dtype=object)
    present = rows[rows["gene"].isin(available)]
    found = pd.Index(present["gene"].unique(), dtype=object)
    found = available[available.isin(found)]
    return MarkerSets(
        genes=found,
        set_ids=wanted,
        positive=_matrix(present[present["direction"] == "positive"], found, wanted, weighted=weighted),
        negative=_matrix(present[present["direction"] == "negative"], found, wanted, weighted=weighted),
        coverage=_coverage(rows, set(found), wanted),
    )


def _check_table(markers: pd.DataFrame, set_ids: Sequence[str] | None) -> None:
    missing = [column for column in _COLUMNS if column not in markers.columns]
    if missing:
        what = f"the marker table lacks the columns {', '.join(missing)}"
        raise InputError(what, "marker table", f"give the columns {', '.join(_COLUMNS)}")
    unknown = sorted(set(set_ids or ()) - set(markers["set_id"]))
    if unknown:
        what = f"the marker table holds no set called {', '.join(unknown)}"
        raise InputError(what, "marker table", "use set_ids of the marker table")


def _matrix(rows: pd.DataFrame, genes: pd.Index, set_ids: pd.Index, *, weighted: bool) -> sparse.csr_matrix:
    pairs = rows.drop_duplicates(["gene", "set_id"])
    weights = pairs["weight"].to_numpy(dtype=np.float64) if weighted else np.ones(len(pairs))
    index = (positions(genes, pairs["gene"]), positions(set_ids, pairs["set_id"]))
    return sparse.csr_matrix((weights, index), shape=(len(genes), len(set_ids)))


def _counted(rows: pd.DataFrame, found: set[str], set_ids: pd.Index) -> tuple[pd.Series, pd.Series]:
    """Count the genes of each set, and those that are in the dataset."""
    here = rows[rows["gene"].isin(found)]
    every, present = (
        part.groupby("set_id")["gene"].nunique().reindex(set_ids, fill_value=0) for part in (rows, here)
    )
    return every, present


def _coverage(rows: pd.DataFrame, found: set[str], set_ids: pd.Index) -> pd.DataFrame:
    n_positive, n_present = _counted(rows[rows["direction"] == "positive"], found, set_ids)
    n_negative, n_negative_present = _counted(rows[rows["direction"] == "negative"], found, set_ids)
    absent = (
        rows[~rows["gene"].isin(found)].groupby("set_id")["gene"].agg(lambda g: ",".join(dict.fromkeys(g)))
    )
    table = pd.DataFrame(
        {
            "set_id": set_ids,
            "parent": rows.groupby("set_id")["parent"].first().reindex(set_ids).to_numpy(),
            "n_positive": n_positive.to_numpy(),
            "n_present": n_present.to_numpy(),
            "coverage": n_present.to_numpy() / np.maximum(n_positive.to_numpy(), 1),
            "n_negative": n_negative.to_numpy(),
            "negative_coverage": (n_negative_present / n_negative.where(n_negative > 0)).to_numpy(),
            "genes_missing": absent.reindex(set_ids, fill_value="").to_numpy(),
        }
    )
    return table.set_index("set_id", drop=False)
