"""Ligands and receptors of cells within the paracrine range, by types of senders and receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.tissue.false_discovery import adjusted
from stietime.tissue.interactions.autocorrelation import (
    SQUARES_PER_REACH,
    Lags,
    added_variance,
    spatial_p,
)
from stietime.tissue.interactions.permuted_sums import (
    Permuted,
    Spread,
    centred,
    drawn_p,
    permuted_sums,
    ratio_interval,
)
from stietime.tissue.interactions.section import ALL, Senders, Tissue, total_by_type
from stietime.tissue.interactions.sums_around import sums_around

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stietime.tissue.interactions.pairs_of_genes import GenePair

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TESTED, NOT_TESTABLE = "tested", "not testable"
MOMENTS, DRAWS = "moments", "draws"
FEW_CELLS: Final = 25  # expressing cells of a type below which p is drawn
COLUMNS: Final = (
    *("axis", "ligand", "receptor", "type_a", "type_b", "distance_um", "observed", "expected", "log2_ratio"),
    *("ci_low", "ci_high", "z", "p", "q", "n_a", "n_b", "n_expressing_a", "n_expressing_b", "n_pairs"),
    *("z_receptor", "p_receptor", "q_receptor", "inflation", "p_spatial", "q_spatial"),
    *("method", "status", "note"),
)


class _Around(NamedTuple):
    """What the cells around every cell express, by their types and all together, its spread and pattern."""

    expressed: Floats
    sums: Floats
    spread: Spread
    n_expressing: Ints
    own_products: Floats
    sum_products: Floats


def interactions(
    tissue: Tissue, pairs: Sequence[GenePair], expression: Callable[[str], Floats], how: Senders
) -> pd.DataFrame:
    """Test every pair of genes between every type of senders and every type of receivers.

    The statistic is the mean over pairs of a sender and a receiver at most `max_distance_um` apart of ligand
    times receptor. The ligand is permuted among the senders of a stratum while all cells and the receptor
    stay: that the types lie near each other is in the expected value. `z_receptor` and `p_receptor` permute
    the receptor among the receivers instead. `p_spatial` is the larger of both when the variance is that of
    autocorrelated patterns; `inflation` is what the variance grows by for the ligand.

    Parameters
    ----------
    tissue
        The cells.
    pairs
        As `gene_pairs` gives them.
    expression
        Gives the expression of a ligand or a receptor in every cell.
    how
        How they are tested.

    Returns
    -------
    `COLUMNS`. A pair with a gene off the panel has one row. q is Benjamini and Hochberg's over what was
    tested in the section.
    """
    n_pairs = total_by_type(_sums(tissue, np.ones(len(tissue.positions)), how), tissue)
    known = [pair for pair in pairs if not pair.missing]
    side = how.max_distance_um / SQUARES_PER_REACH
    lags = Lags.of(tissue.positions, tissue.codes, tissue.levels.n_types, side, tissue.fields)
    around = {
        name: _around(tissue, expression(name), lags, how)
        for name in dict.fromkeys([n for pair in known for n in (pair.ligand, pair.receptor)])
    }
    tables = [untestable([pair for pair in pairs if pair.missing])]
    tables += [
        _rows_of_pair(tissue, pair, around[pair.ligand], around[pair.receptor], n_pairs, lags, how)
        for pair in known
    ]
    table = pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)
    table = with_q(table)
    order = {pair: place for place, pair in enumerate((p.ligand, p.receptor) for p in pairs)}
    place = [order[both] for both in zip(table["ligand"], table["receptor"], strict=True)]
    table = table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
    return table[list(COLUMNS)]


def with_q(table: pd.DataFrame) -> pd.DataFrame:
    """Add Benjamini and Hochberg's q of each kind of p."""
    kinds = {"p": "q", "p_receptor": "q_receptor", "p_spatial": "q_spatial"}
    return table.assign(**{q: adjusted(table[p]) for p, q in kinds.items()})


def _sums(tissue: Tissue, values: Floats, how: Senders) -> Floats:
    """Sum values around every cell, by the types of the cells around and over all."""
    n_types, reach = tissue.levels.n_types, np.array([how.max_distance_um])
    sums = sums_around(tissue.positions, values, tissue.codes, n_types, reach, how.n_threads)[:, :, 0]
    return np.column_stack([sums, sums.sum(axis=1)])


def _around(tissue: Tissue, values: Floats, lags: Lags, how: Senders) -> _Around:
    sums = _sums(tissue, values, how)
    n = np.bincount(tissue.codes[values > 0], minlength=tissue.levels.n_types)
    apart = centred(sums, tissue.levels)
    spread = Spread.about_means(sums, apart, tissue.levels)
    own = lags.products(centred(values[:, None], tissue.levels), how.n_threads)
    return _Around(values, sums, spread, np.append(n, n.sum()), own, lags.products(apart, how.n_threads))


def untestable(pairs: Sequence[GenePair]) -> pd.DataFrame:
    """Make one row for each pair that cannot be tested, with the reason."""
    rows = [
        dict.fromkeys(COLUMNS, np.nan)
        | {"axis": pair.axis, "ligand": pair.ligand, "receptor": pair.receptor, "type_a": ALL, "type_b": ALL}
        | {"method": "", "status": NOT_TESTABLE, "note": pair.note}
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows_of_pair(
    tissue: Tissue,
    pair: GenePair,
    ligand: _Around,
    receptor: _Around,
    n_pairs: Floats,
    lags: Lags,
    how: Senders,
) -> pd.DataFrame:
    """Test one pair of genes between all types."""
    levels = tissue.levels
    sent = permuted_sums(ligand.expressed, receptor.sums, levels, receptor.spread)
    # the receptor permuted: the same sums, by the receiver's type first
    received = permuted_sums(receptor.expressed, ligand.sums, levels, ligand.spread)
    low, high = ratio_interval(ligand.expressed, receptor.sums, levels, sent, tissue.blocks)
    n = np.bincount(tissue.codes, minlength=levels.n_types)
    n = np.append(n, n.sum())
    a, b = (grid.ravel() for grid in np.indices(sent.observed.shape))
    p, p_receptor = sent.p, received.p
    added = added_variance(ligand.own_products, receptor.sum_products, lags)
    added_received = added_variance(receptor.own_products, ligand.sum_products, lags)
    spatial = np.maximum(spatial_p(sent, added, n), spatial_p(received, added_received, n).T)
    with np.errstate(divide="ignore", invalid="ignore"):
        inflation = 1 + added / sent.variance
    drawn = _draw(tissue, ligand, receptor, sent, p, how)
    _draw(tissue, receptor, ligand, received, p_receptor, how)
    columns: dict[str, Any] = {
        "axis": pair.axis,
        "ligand": pair.ligand,
        "receptor": pair.receptor,
        "type_a": np.array(tissue.names, dtype=object)[a],
        "type_b": np.array(tissue.names, dtype=object)[b],
        "distance_um": how.max_distance_um,
        "n_a": n[a],
        "n_b": n[b],
        "n_expressing_a": ligand.n_expressing[a],
        "n_expressing_b": receptor.n_expressing[b],
        "n_pairs": n_pairs[a, b].astype(np.int64),
        "z": sent.z[a, b],
        "p": p[a, b],
        "z_receptor": received.z[b, a],
        "p_receptor": p_receptor[b, a],
        "inflation": inflation[a, b],
        # permutations hold for few expressing cells, whose sums are skewed
        "p_spatial": np.maximum.reduce([spatial[a, b], p[a, b], p_receptor[b, a]]),
        "ci_low": low[a, b],
        "ci_high": high[a, b],
        "method": np.where(drawn[a, b], DRAWS, MOMENTS),
        **means_of(sent, n_pairs, a, b),
    }
    return _judged(pd.DataFrame(columns), how)


def means_of(found: Permuted, n_pairs: Floats, a: Ints, b: Ints) -> dict[str, Floats]:
    """Bring observed and expected sums to one pair of cells, and compare them."""
    observed, expected, n = found.observed[a, b], found.expected[a, b], n_pairs[a, b]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2(observed / expected)
        means = {"observed": observed / n, "expected": expected / n}
    return means | {"log2_ratio": np.where(np.isfinite(ratio), ratio, np.nan)}


def _draw(
    tissue: Tissue, permuted: _Around, other: _Around, found: Permuted, p: Floats, how: Senders
) -> NDArray[np.bool_]:
    """Replace p, in place, of types few of whose cells express what is permuted; say which."""
    drawn = np.zeros(p.shape, dtype=bool)
    n = permuted.n_expressing
    few = (n >= how.min_cells) & (n < FEW_CELLS) & (how.n_draws > 0)
    for code in np.flatnonzero(few):
        mine = tissue.codes == code if code < tissue.levels.n_types else np.ones(len(tissue.codes), bool)
        told = (found.observed[code], found.expected[code])
        own = drawn_p(
            permuted.expressed[mine],
            other.sums[mine],
            tissue.levels.stratum[mine],
            told,
            how.n_draws,
            how.seed,
        )
        varies = found.variance[code] > 0
        p[code, varies] = own[varies]
        drawn[code] = varies
    return drawn


def _judged(table: pd.DataFrame, how: Senders) -> pd.DataFrame:
    """Empty what cannot be tested, and say why."""
    notes = [_note(row, how) for row in table.to_dict("records")]
    table["note"] = notes
    bad = table["note"] != ""
    table["status"] = np.where(bad, NOT_TESTABLE, TESTED)
    emptied = ["z", "p", "z_receptor", "p_receptor", "inflation", "p_spatial"]
    emptied += ["ci_low", "ci_high", "log2_ratio"]
    table.loc[bad, emptied] = np.nan
    table.loc[bad, "method"] = ""
    return table


def _note(row: dict[Any, Any], how: Senders) -> str:
    if not row["n_pairs"]:
        return f"not testable: no two cells of these types within {how.max_distance_um:g} um"
    for n, gene, side in (
        (row["n_expressing_a"], row["ligand"], row["type_a"]),
        (row["n_expressing_b"], row["receptor"], row["type_b"]),
    ):
        if n < how.min_cells:
            return f"not testable: {n} {side} cells express {gene}, {how.min_cells} needed"
    if not np.isfinite(row["z"]):
        return "not testable: every permutation gives the same value"
    return ""
