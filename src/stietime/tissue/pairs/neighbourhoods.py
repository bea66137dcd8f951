"""Neighbourhood enrichment: which types of cells are neighbours more often than when labels are permuted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime.tissue.false_discovery import adjusted
from stietime.tissue.graphs.graph_kernels import count_by_part
from stietime.tissue.pairs.join_counts import GraphSize
from stietime.tissue.pairs.label_tests import (
    MIN_CELLS,
    MIN_EXPECTED,
    Draws,
    Null,
    Observed,
    Tested,
    permuted_everywhere,
)
from stietime.tissue.pairs.ratio_intervals import ratio_interval
from stietime.tissue.pairs.stratified import stratified_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

COLUMNS: Final = (
    *("type_a", "type_b", "radius_um", "observed", "expected", "z", "p", "q"),
    *("log2_ratio", "n_a", "n_b", "note", "log2_low", "log2_high", "method"),
    *("expected_within", "log2_within", "z_within", "p_within", "q_within", "method_within"),
    *("n_isolated_a", "n_isolated_b", "share_ab", "expected_share_ab", "z_ab", "p_ab", "q_ab"),
    *("share_ba", "expected_share_ba", "z_ba", "p_ba", "q_ba"),
)
MOMENTS: Final = "moments"
DRAWS: Final = "draws"


def enrichment(
    graph: csr_array,
    cell_types: pd.Series,
    radius_um: float,
    *,
    blocks: Ints | None = None,
    strata: Ints | None = None,
    draws: Draws | None = None,
) -> pd.DataFrame:
    """Test for every two types whether their cells are neighbours more or less often than by chance.

    Chance is: the same tissue, the labels permuted among all its cells; with strata, among the cells of each
    stratum (columns `_within`). Mean, variance and skewness over all permutations are exact, and p is
    two-sided by the Pearson type III distribution that has them (within strata by the normal distribution).
    Where fewer than 30 pairs are expected or a type has fewer than 25 cells, p is the share of drawn
    permutations at least as far from the mean. q is Benjamini and Hochberg's over the testable pairs of the
    section. What cannot be tested is empty, with the reason in `note`; the log2 ratio of a pair that was
    never observed is empty too. `share_ab` is the share of the neighbours of a's cells that are of type b,
    tested given how many neighbours these cells have (`stietime.tissue.pairs.join_counts.share_deviation`).

    Parameters
    ----------
    graph
        Cells x cells, symmetric, no self loops, indices sorted.
    cell_types
        Type of every cell.
    radius_um
        The radius of the graph, micrometres, for the table.
    blocks
        Block of tissue that every cell lies in, 0 and up, for the interval of the ratio.
    strata
        Stratum of every cell, 0 to at most 15, such as its region.
    draws
        How labels of rare types are drawn.

    Returns
    -------
    One row for each unordered pair of types that occur (type_a <= type_b, same type included): `COLUMNS`,
    with `observed` and `expected` numbers of pairs of neighbours.
    """
    types, codes = np.unique(cell_types.to_numpy(dtype=str), return_inverse=True)
    codes, k = codes.astype(np.int64), len(types)
    whole = np.zeros(len(codes), dtype=np.int64)
    parts = whole if blocks is None else blocks
    n_parts = int(parts.max()) + 1
    by_block = count_by_part(graph.indptr, graph.indices, codes, parts, k, n_parts)
    n_by_block = np.bincount(parts * k + codes, minlength=n_parts * k).reshape(n_parts, k)
    observed, size = Observed(graph, codes, by_block.sum(axis=0), draws or Draws()), GraphSize.of(graph)
    null = permuted_everywhere(graph, size, observed.n_cells)
    found = observed.test(null, whole, size)
    low, high = ratio_interval(by_block, n_by_block)
    columns: dict[str, NDArray[Any]] = {
        "observed": observed.ordered // observed.twice,
        "expected": null.mean,
        "z": found.z,
        "p": found.p,
    }
    columns |= {"by_draws": found.by_draws, "log2_low": low, "log2_high": high}
    columns |= _within(observed, strata)
    table = _pair_table(types, columns, observed, size)
    for one, other in (("a", "b"), ("b", "a")):
        table = table.assign(**_shares(f"{one}{other}", observed, found))
    both = adjusted(pd.concat([table["p_ab"], table["p_ba"]], ignore_index=True)).to_numpy()
    table["q_ab"], table["q_ba"] = both[: len(table)], both[len(table) :]
    return table.assign(radius_um=radius_um)[list(COLUMNS)]


def _shares(which: str, observed: Observed, found: Tested) -> dict[str, NDArray[Any]]:
    """Give the share of one type's neighbours that are of the other, for all unordered pairs."""
    a, b = np.triu_indices(len(observed.n_cells))
    one, other = (a, b) if which == "ab" else (b, a)
    ends = observed.ends[one]
    missing = np.full(len(a), np.nan)
    return {
        f"share_{which}": np.divide(observed.ordered[one, other], ends, out=missing, where=ends > 0),
        f"expected_share_{which}": observed.weights[one, other],
        f"z_{which}": found.share_z[one, other],
        f"p_{which}": found.share_p[one, other],
    }


def _within(observed: Observed, strata: Ints | None) -> dict[str, NDArray[Any]]:
    """Test within strata; everything is missing without strata, or with a single one."""
    k = len(observed.n_cells)
    missing = np.full((k, k), np.nan)
    if strata is None or not strata.any():
        untested = dict.fromkeys(("expected_within", "z_within", "p_within"), missing)
        return {**untested, "drawn_within": np.zeros((k, k), dtype=bool)}
    mean, variance = stratified_moments(observed.graph, observed.codes, k, strata)
    variance[variance < 1e-9 * mean] = 0  # what rounding leaves where nothing can vary
    null = Null(mean, np.sqrt(variance), np.zeros_like(mean))
    found = observed.test(null, strata)
    return {"expected_within": mean, "z_within": found.z, "p_within": found.p, "drawn_within": found.by_draws}


def _pair_table(
    types: NDArray[np.str_], columns: dict[str, NDArray[Any]], observed: Observed, size: GraphSize
) -> pd.DataFrame:
    a, b = np.triu_indices(len(types))
    table = pd.DataFrame({name: values[a, b] for name, values in columns.items()})
    n_cells = observed.n_cells
    isolated = observed.n_isolated
    table = table.assign(type_a=types[a], type_b=types[b], n_a=n_cells[a], n_b=n_cells[b])
    table = table.assign(n_isolated_a=isolated[a], n_isolated_b=isolated[b])
    table["log2_ratio"] = _log2(table["observed"], table["expected"])
    table["log2_within"] = _log2(table["observed"], table["expected_within"])
    table["q"], table["q_within"] = adjusted(table["p"]), adjusted(table["p_within"])
    table["method"] = _method(table["p"], table["by_draws"])
    table["method_within"] = _method(table["p_within"], table["drawn_within"])
    for name in ("log2_low", "log2_high"):
        table[name] = table[name].where(table["p"].notna())
    return table.assign(note=[_note(size, row) for row in table.to_dict("records")])


def _method(p: pd.Series, by_draws: pd.Series) -> pd.Series:
    return pd.Series(np.where(p.isna(), "", np.where(by_draws, DRAWS, MOMENTS)), index=p.index)


def _log2(observed: pd.Series, expected: pd.Series) -> pd.Series:
    shown = (observed > 0) & (expected > 0)
    return pd.Series(np.log2(observed.where(shown) / expected.where(shown)))


def _note(size: GraphSize, row: dict[Any, Any]) -> str:
    if np.isfinite(row["p"]):
        few = row["expected"] < MIN_EXPECTED or min(row["n_a"], row["n_b"]) < MIN_CELLS
        return "few cells: p is approximate" if few and row["method"] == MOMENTS else ""
    if not size.n_edges:
        return "not testable: no cell has a neighbour"
    if row["type_a"] == row["type_b"] and row["n_a"] == 1:
        return "not testable: one cell of the type"
    return "not testable: every permutation of the labels gives the same count"
