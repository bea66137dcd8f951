"""Ligands and receptors of neighbouring spots, beyond what their cell types and depth explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from stietime.tissue.interactions.autocorrelation import SQUARES_PER_REACH, Lags, added_variance, spatial_p
from stietime.tissue.interactions.cells import COLUMNS, MOMENTS, NOT_TESTABLE, TESTED, with_q
from stietime.tissue.interactions.permuted_sums import Levels, Permuted, permuted_sums
from stietime.tissue.interactions.section import ALL
from stietime.tissue.interactions.sums_around import sums_around

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stietime.tissue.interactions.pairs_of_genes import GenePair

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MIN_BLOCKS: Final = 5
MIN_SPARE: Final = 20  # spots more than covariates
NO_PROPORTIONS: Final = "composition unknown: spots of different cells are compared"


class Spots(NamedTuple):
    """The kept spots of one section.

    Parameters
    ----------
    positions
        Spots x 2, micrometres.
    shares
        Spots x types, shares of the spot's RNA; may have no column.
    totals
        Counts of each spot.
    strata
        Stratum of every spot, such as its region.
    blocks
        Block of tissue of every spot.
    """

    positions: Floats
    shares: Floats
    totals: Floats
    strata: Ints
    blocks: Ints


def design_of(spots: Spots, distance_um: float) -> Floats:
    """List what explains expression without signalling: strata, depth, types of the spot and of those around.

    Parameters
    ----------
    spots
        The spots.
    distance_um
        How far around, micrometres.

    Returns
    -------
    Spots x independent covariates, orthonormal.
    """
    group = np.zeros(len(spots.totals), dtype=np.int64)
    reach = np.array([distance_um])
    columns = [np.ones(len(group)), np.log(np.maximum(spots.totals, 1.0))]
    columns += [(spots.strata == level).astype(float) for level in np.unique(spots.strata)]
    near = sums_around(spots.positions, np.ones(len(group)), group, 1, reach)[:, 0, 0]
    columns.append(near)
    for share in np.nan_to_num(spots.shares).T:
        around = sums_around(spots.positions, share, group, 1, reach)[:, 0, 0]
        columns += [share, around / np.maximum(near, 1)]
    matrix = np.column_stack(columns)
    size = np.linalg.norm(matrix, axis=0)
    left, values, _ = np.linalg.svd(matrix / np.where(size > 0, size, 1.0), full_matrices=False)
    return np.asarray(left[:, values > 1e-6 * values[0]])


def spot_interactions(
    spots: Spots,
    pairs: Sequence[GenePair],
    expression: Callable[[str], Floats],
    *,
    max_distance_um: float,
    min_spots: int,
) -> pd.DataFrame:
    """Test every pair of genes between different spots at most a distance apart.

    Senders and receivers are not known in spots, so there is one row for each pair. What the types of a spot
    and of the spots around it, its depth and its stratum explain (least squares) is taken from the ligand and
    from the sum of the receptor around; the rest of the ligand is permuted within strata (Freedman & Lane
    1983, J. Bus. Econ. Stat. 1, 292), with the exact moments of `permuted_sums`.

    Parameters
    ----------
    spots
        The kept spots.
    pairs, expression
        As for `stietime.tissue.interactions.cells.interactions`.
    max_distance_um
        Largest distance of two spots, micrometres; what two cells of one spot do is not seen.
    min_spots
        Fewest spots in which a gene must be seen.

    Returns
    -------
    `COLUMNS`; `n_a`, `n_b` are numbers of spots.
    """
    design = design_of(spots, max_distance_um)
    one_type = np.zeros(len(spots.totals), dtype=np.int64)
    lags = Lags.of(spots.positions, one_type, 1, max_distance_um / SQUARES_PER_REACH, None)
    rows = [_row(spots, pair, expression, design, lags, max_distance_um, min_spots) for pair in pairs]
    return with_q(pd.DataFrame(rows, columns=list(COLUMNS)))


def _row(
    spots: Spots,
    pair: GenePair,
    expression: Callable[[str], Floats],
    design: Floats,
    lags: Lags,
    distance: float,
    min_spots: int,
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    row |= {"axis": pair.axis, "ligand": pair.ligand, "receptor": pair.receptor}
    row |= {"type_a": ALL, "type_b": ALL, "method": "", "status": NOT_TESTABLE, "note": pair.note}
    if pair.missing:
        return row
    ligand, receptor = expression(pair.ligand), expression(pair.receptor)
    n = len(ligand)
    row |= {"distance_um": distance, "n_a": n, "n_b": n}
    row |= {"n_expressing_a": int((ligand > 0).sum()), "n_expressing_b": int((receptor > 0).sum())}
    heard, sent, near = (_around(spots, values, distance) for values in (receptor, ligand, np.ones(n)))
    row["n_pairs"] = int(near.sum())
    note = _obstacle(row, min_spots, n - design.shape[1], distance)
    if note:
        return row | {"note": note}
    found = _tested(ligand, heard, design, spots, lags)
    other = _tested(receptor, sent, design, spots, lags)
    if not np.isfinite(found["z"]):
        return row | {"note": "not testable: types and depth explain the ligand wholly"}
    row |= found | {"observed": found["observed"] / near.sum(), "expected": found["expected"] / near.sum()}
    note = "" if spots.shares.shape[1] else NO_PROPORTIONS
    row |= {"z_receptor": other["z"], "p_receptor": other["p"]}
    row["p_spatial"] = max(found["p_spatial"], other["p_spatial"])
    return row | {"method": MOMENTS, "status": TESTED, "note": note}


def _around(spots: Spots, values: Floats, distance: float) -> Floats:
    group = np.zeros(len(values), dtype=np.int64)
    return sums_around(spots.positions, values, group, 1, np.array([distance]))[:, 0, 0]


def _obstacle(row: dict[str, Any], min_spots: int, spare: int, distance: float) -> str:
    if not row["n_pairs"]:
        return f"not testable: no two spots within {distance:g} um"
    if spare < MIN_SPARE:
        return f"not testable: {row['n_a']} spots are too few for {row['n_a'] - spare} covariates"
    for gene, n in ((row["ligand"], row["n_expressing_a"]), (row["receptor"], row["n_expressing_b"])):
        if n < min_spots:
            return f"not testable: {gene} is seen in {n} spots, {min_spots} needed"
    return ""


def _tested(values: Floats, sums: Floats, design: Floats, spots: Spots, lags: Lags) -> dict[str, float]:
    """Compare the sum of products with that when what the design leaves of the values is permuted."""
    left, others = (part - design @ (design.T @ part) for part in (values, sums))
    unique, stratum = np.unique(spots.strata, return_inverse=True)
    levels = Levels(stratum.astype(np.int64), np.zeros(len(unique), dtype=np.int64), 1)
    found = permuted_sums(left, others[:, None], levels)
    # least squares leave the values and the sums smaller than they are: n - strata becomes n - covariates
    spare = (len(values) - len(unique)) / (len(values) - design.shape[1])
    scaled = Permuted(found.observed, found.expected, found.variance * spare, found.third * spare**1.5)
    added = added_variance(lags.products(left[:, None]), lags.products(others[:, None]), lags)
    p = float(scaled.p[0, 0])
    p_spatial = float(spatial_p(scaled, added, np.full(len(added), len(values)))[0, 0])
    observed = float(values @ sums)
    expected = observed - float(left @ others)
    low, high = _interval(left * others, observed, spots.blocks)
    ratio = np.log2(observed / expected) if observed > 0 and expected > 0 else np.nan
    return {
        "observed": observed,
        "expected": expected,
        "log2_ratio": float(ratio),
        "ci_low": low,
        "ci_high": high,
        "z": float(scaled.z[0, 0]),
        "p": p,
        "p_spatial": max(p, p_spatial),
        "inflation": float(1 + added[0, 0] / scaled.variance[0, 0]) if scaled.variance[0, 0] > 0 else np.nan,
    }


def _interval(products: Floats, observed: float, blocks: Ints) -> tuple[float, float]:
    """Compute the 95 % interval of log2 (observed / expected) from the excess in blocks of the tissue.

    The excess D is a sum over blocks; its variance is B/(B-1) sum (D_B - mean)^2 (cluster totals; Cochran
    1977, ch. 6), and log2 (observed / (observed - D)) rises with D.
    """
    by_block = np.bincount(blocks, weights=products)
    n = len(by_block)
    if n < MIN_BLOCKS or observed <= 0:
        return float("nan"), float("nan")
    wide = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1) * ((by_block - by_block.mean()) ** 2).sum())
    ends = [observed - (by_block.sum() + side * wide) for side in (-1, 1)]
    low, high = (float(np.log2(observed / end)) if end > 0 else float("nan") for end in ends)
    return low, high
