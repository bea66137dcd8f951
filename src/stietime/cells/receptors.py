"""One receptor per cell: its alpha and its beta chain, and what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Collection

ALPHA: Final = "TRA"
BETA: Final = "TRB"
SEPARATOR: Final = " "
MOST_CHAINS: Final = 2  # of a locus in one T cell: both alleles may be rearranged

# what is known of a cell's receptor
NO_RECEPTOR: Final = "no receptor"
PAIR: Final = "pair"
ONLY_ALPHA: Final = "alpha chain only"
ONLY_BETA: Final = "beta chain only"
MULTIPLET: Final = "more than two chains of a kind"
OTHER_RECEPTOR: Final = "another receptor"
GIVEN: Final = "clone given"
STATUSES: Final = (NO_RECEPTOR, PAIR, ONLY_ALPHA, ONLY_BETA, MULTIPLET, OTHER_RECEPTOR, GIVEN)


def pair_chains(
    chains: pd.DataFrame, cells: pd.Index, *, match: str = "nucleotide", multiplets: Collection[str] = ()
) -> pd.DataFrame:
    """Give every cell its dominant alpha and beta chain.

    A T cell may show two alpha or two beta chains, of which the one with more molecules counts; at a tie the
    first by name, so that no result depends on the order of a file. With more than two of a kind it is more
    likely two cells, and has no clone.

    Parameters
    ----------
    chains
        One row per productive chain: barcode, locus, v_gene, cdr3_nt, cdr3_aa, n_molecules. Several rows of
        the same chain count together.
    cells
        Barcodes of the sample's cells; chains of others are not used.
    match
        `nucleotide` or `amino_acid`: the CDR3 that names a chain, with its V gene.
    multiplets
        Cells that are known to be several.

    Returns
    -------
    One row per cell (the index): alpha and beta (V gene and CDR3, empty where there is none), n_alpha, n_beta
    (different chains seen), and status, one of `STATUSES`.
    """
    column = "cdr3_nt" if match == "nucleotide" else "cdr3_aa"
    used = chains[chains["barcode"].isin(cells) & (chains[column] != "")]
    named = used.assign(chain=used["v_gene"] + SEPARATOR + used[column].str.upper())
    keys = ["barcode", "locus", "chain"]
    summed = named.groupby(keys, sort=True)["n_molecules"].sum().reset_index()
    summed = summed.sort_values(
        ["barcode", "locus", "n_molecules", "chain"], ascending=[True, True, False, True]
    )
    found = pd.DataFrame(index=cells)
    for name, locus in (("alpha", ALPHA), ("beta", BETA)):
        own = summed[summed["locus"] == locus].groupby("barcode")["chain"]
        found[name] = own.first().reindex(cells).fillna("")
        found[f"n_{name}"] = own.size().reindex(cells).fillna(0).astype(np.int64)
    others = set(summed.loc[~summed["locus"].isin((ALPHA, BETA)), "barcode"])
    found["status"] = _status(found, found.index.isin(others), found.index.isin(list(multiplets)))
    return found


def _status(found: pd.DataFrame, has_other: np.ndarray, is_multiplet: np.ndarray) -> np.ndarray:
    alpha, beta = found["n_alpha"].to_numpy(), found["n_beta"].to_numpy()
    several = (alpha > MOST_CHAINS) | (beta > MOST_CHAINS) | is_multiplet
    conditions = [
        several,
        (alpha > 0) & (beta > 0),
        alpha > 0,
        beta > 0,
        has_other,
    ]
    answers = [MULTIPLET, PAIR, ONLY_ALPHA, ONLY_BETA, OTHER_RECEPTOR]
    return np.asarray(np.select(conditions, answers, NO_RECEPTOR), dtype=object)


def given_clones(clones: pd.Series, cells: pd.Index) -> pd.DataFrame:
    """Set clones that the data's authors named in the form of `pair_chains`.

    Parameters
    ----------
    clones
        Names by barcode.
    cells
        Barcodes of the sample's cells.

    Returns
    -------
    As `pair_chains`, with the column `clone`; no chain is known.
    """
    found = pd.DataFrame({"alpha": "", "beta": "", "n_alpha": 0, "n_beta": 0}, index=cells)
    found["clone"] = clones.reindex(cells).fillna("").astype(object)
    found["status"] = np.where(found["clone"] != "", GIVEN, NO_RECEPTOR)
    return found


def name_clones(receptors: pd.DataFrame, *, single_chain: str = "leave_out") -> pd.DataFrame:
    """Put the cells of each patient into clones.

    Cells of one patient with the same alpha and the same beta chain are a clone; cells of different patients
    never are.

    Parameters
    ----------
    receptors
        One row per cell: cell, patient, alpha, beta, status and clone (given names, empty elsewhere).
    single_chain
        `leave_out`: a cell with one chain has no clone. `attach`: it joins the clone of its patient that has
        the same chain, if there is exactly one.

    Returns
    -------
    The same rows: clone filled in (empty where a cell has none), and status.
    """
    named = receptors.copy()
    named["clone"] = named["clone"].astype(object)
    pair = named["status"] == PAIR
    named.loc[pair, "clone"] = named.loc[pair, "alpha"] + " / " + named.loc[pair, "beta"]
    if single_chain == "attach":
        for chain, status in (("alpha", ONLY_ALPHA), ("beta", ONLY_BETA)):
            lone = named["status"] == status
            known = named.loc[pair, ["patient", chain, "clone"]].drop_duplicates()
            known = known[~known.duplicated(["patient", chain], keep=False)]
            met = named.loc[lone, ["patient", chain]].merge(known, on=["patient", chain], how="left")
            named.loc[lone, "clone"] = met["clone"].fillna("").to_numpy(dtype=object)
    return named
