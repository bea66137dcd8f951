"""Moran's I of genes and of shares over neighbouring spots, with exact moments under permutation."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse, stats

from stietime.tissue.false_discovery import adjusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]

_BLOCK: Final = 256  # genes held as full columns at once


def standardised(graph: csr_array) -> csr_array:
    """Divide each spot's weights by their sum, as squidpy does; spots without neighbours keep none."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    scale = np.divide(1.0, degree, out=np.zeros_like(degree, dtype=np.float64), where=degree > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ graph)


def product_moments(graph: csr_array, first: Floats, second: Floats) -> tuple[float, float, float]:
    """Compute sum_ij w_ij a_i b_j with its mean and variance when the spots are permuted.

    Whole spots change places, so that what is in one spot stays together. With w and c_ij = (a_i b_j + a_j
    b_i) / 2 both symmetric and without diagonal this is Mantel's statistic (Mantel 1967, Cancer Research 27,
    209), for which with A1 = sum w, A2 = sum w^2, A3 = sum_i (sum_j w_ij)^2, B1, B2, B3 the same of c, and
    n(r) = n (n-1) ... (n-r+1):

        E[T] = A1 B1 / n(2)
        E[T^2] = 2 A2 B2 / n(2) + 4 (A3 - A2) (B3 - B2) / n(3)
                 + (A1^2 + 2 A2 - 4 A3) (B1^2 + 2 B2 - 4 B3) / n(4)

    Parameters
    ----------
    graph
        Spots x spots, weights, no diagonal.
    first, second
        a and b, one value per spot; centre them first.

    Returns
    -------
    The statistic, its mean, its variance.
    """
    weights = sparse.csr_array((graph + graph.T) / 2)
    n = len(first)
    rows = np.asarray(weights.sum(axis=1)).ravel()
    a1, a2, a3 = float(rows.sum()), float((weights.data**2).sum()), float((rows**2).sum())
    both = first * second
    b1 = float(first.sum() * second.sum() - both.sum())
    squares = float((first**2).sum() * (second**2).sum() - (both**2).sum())
    b2 = (squares + float(both.sum()) ** 2 - float((both**2).sum())) / 2
    b3 = float((((first * second.sum() + second * first.sum()) / 2 - both) ** 2).sum())
    n2, n3, n4 = n * (n - 1.0), n * (n - 1.0) * (n - 2.0), n * (n - 1.0) * (n - 2.0) * (n - 3.0)
    mean = a1 * b1 / n2
    square = 2 * a2 * b2 / n2 + 4 * (a3 - a2) * (b3 - b2) / n3
    square += (a1**2 + 2 * a2 - 4 * a3) * (b1**2 + 2 * b2 - 4 * b3) / n4
    return float(first @ (weights @ second)), mean, max(square - mean**2, 0.0)


def moran_of_genes(counts: sparse.csr_matrix, genes: Sequence[str], graph: csr_array) -> pd.DataFrame:
    """Measure how alike neighbouring spots are in each gene: Moran's I of log1p of depth-scaled counts.

    I = (n / sum w) sum_ij w_ij z_i z_j / sum z_i^2 with z the value less its mean and the weights of each
    spot summing to 1 (Moran 1950, Biometrika 37, 17); mean and variance under permutation of the spots
    (Cliff & Ord 1981, *Spatial Processes*). Genes are worked through in blocks.

    Parameters
    ----------
    counts
        Spots x genes; each spot is scaled to the median depth.
    genes
        Gene symbols.
    graph
        Spots x spots: neighbours.

    Returns
    -------
    One row per gene: gene, moran_i, expected, z, p (one-sided: more alike than by chance), q, n_spots (spots
    with a count), mean_count. The highest first; empty where a gene is in no spot.
    """
    weights = standardised(graph)
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    scale = np.divide(np.median(totals[totals > 0]), totals, out=np.zeros_like(totals), where=totals > 0)
    columns = sparse.csc_matrix(counts)
    found = []
    for first in range(0, len(genes), _BLOCK):
        block = columns[:, first : first + _BLOCK].toarray()
        found.append(_moran_block(np.log1p(block * scale[:, None]), weights))
    table = pd.DataFrame(np.vstack(found), columns=["moran_i", "expected", "z"])
    table.insert(0, "gene", list(genes))
    table["p"] = stats.norm.sf(table["z"])
    table["q"] = adjusted(table["p"])
    table["n_spots"] = np.asarray((columns > 0).sum(axis=0)).ravel()
    table["mean_count"] = np.asarray(columns.mean(axis=0)).ravel()
    order = table["moran_i"].sort_values(ascending=False, na_position="last", kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _moran_block(values: Floats, weights: csr_array) -> Floats:
    """Return Moran's I, its mean and its z for the columns of a block; the moments need two sums of each."""
    n, total = len(values), float(weights.sum())
    centred = values - values.mean(axis=0)
    square = (centred**2).sum(axis=0)
    symmetric = sparse.csr_array((weights + weights.T) / 2)
    rows = np.asarray(symmetric.sum(axis=1)).ravel()
    s0, s1, s2 = total, 2 * float((symmetric.data**2).sum()), 4 * float((rows**2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        moran = n / total * (centred * (weights @ centred)).sum(axis=0) / square
        kurtosis = n * (centred**4).sum(axis=0) / square**2
        upper = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * s0**2)
        lower = kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * s0**2)
        expected = -1.0 / (n - 1)
        variance = (upper - lower) / ((n - 1) * (n - 2) * (n - 3) * s0**2) - expected**2
        z = (moran - expected) / np.sqrt(variance)
    flat = square <= 1e-12 * n
    table = np.column_stack([moran, np.full(values.shape[1], expected), z])
    table[flat] = np.nan
    return np.asarray(table)


def pairs_of_shares(shares: Floats, types: Sequence[str], graph: csr_array) -> pd.DataFrame:
    """Measure which types lie in neighbouring spots: the bivariate Moran's I of every pair of shares.

    I_ab = sum_ij w_ij z_a,i z_b,j / sum w with z the shares standardised (Wartenberg 1985, Geographical
    Analysis 17, 263), w = 1 for neighbours. Null hypothesis: whole spots are permuted, so what lies together
    in one spot stays together (`product_moments`); the correlation within spots stands apart.

    Parameters
    ----------
    shares
        Spots x types; spots with missing shares are left out.
    types
        Names of the types.
    graph
        Spots x spots: neighbours.

    Returns
    -------
    One row per unordered pair, a type with itself included: type_a, type_b, moran, expected, z, p (two-sided,
    normal), q, correlation (of the shares within spots), n_spots, n_neighbours (pairs of neighbouring
    spots), note.
    """
    known = np.flatnonzero(np.isfinite(shares).all(axis=1))
    weights = sparse.csr_array(graph[known][:, known], dtype=np.float64)
    values, n_links = shares[known], int(weights.nnz // 2)
    spread = values.std(axis=0) if len(known) else np.zeros(len(types))
    rows = []
    for a, b in combinations_with_replacement(range(len(types)), 2):
        row = {"type_a": types[a], "type_b": types[b], "n_spots": len(known), "n_neighbours": n_links}
        if len(known) < 4 or not n_links:
            rows.append(row | {"note": "fewer than 4 spots, or none with a neighbour"})
            continue
        if spread[a] <= 1e-9 or spread[b] <= 1e-9:
            rows.append(row | {"note": "the share of a type is the same in all spots"})
            continue
        first, second = ((values[:, k] - values[:, k].mean()) / spread[k] for k in (a, b))
        found, mean, variance = product_moments(weights, first, second)
        total = float(weights.sum())
        z = (found - mean) / np.sqrt(variance) if variance > 0 else np.nan
        together = float(np.mean(first * second))
        row |= {"moran": found / total, "expected": mean / total, "z": z, "correlation": together, "note": ""}
        rows.append(row)
    columns = ["type_a", "type_b", "moran", "expected", "z", "correlation", "n_spots", "n_neighbours", "note"]
    table = pd.DataFrame(rows, columns=columns)
    p = pd.Series(2 * stats.norm.sf(table["z"].astype(float).abs()), index=table.index)
    table.insert(5, "p", p.clip(lower=np.finfo(float).tiny))
    table.insert(6, "q", adjusted(table["p"]))
    return table
