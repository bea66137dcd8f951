"""What each cluster is made of: patients, batches, how often it is found again, and what to beware of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

FACTORS: Final = {names.PATIENT: ("patient", "patients"), "batch": ("batch", "batches")}
NONE_GIVEN: Final = "(none given)"


def cluster_quality(
    cells: pd.DataFrame,
    stability: Mapping[Any, float],
    *,
    max_share_of_one: float = 0.9,
    min_stability: float = 0.6,
    min_cells: int = 20,
) -> pd.DataFrame:
    """Describe the clusters and flag those that are one patient's or one batch's, unstable or small.

    A cluster is flagged as one patient's when one holds at least `max_share_of_one` of its cells and all
    others together hold less than half of their share in the cohort; batches alike. Where the cohort has one
    patient (or batch) that is not testable, and said in the note.

    Parameters
    ----------
    cells
        One row per cell: cluster, sample, patient, batch (empty or missing where none is given).
    stability
        Mean Jaccard index by cluster over subsamples; nan or missing where it was not measured.
    max_share_of_one
        Share of a cluster's cells of one patient or batch from which it is flagged.
    min_stability
        Stability below which a cluster is flagged; Hennig (2007) does not trust clusters below 0.6.
    min_cells
        A cluster of fewer cells is flagged.

    Returns
    -------
    One row per cluster: cluster, n_cells, n_samples, n_patients, n_batches; for patient and batch
    largest_<factor>, largest_<factor>_share, expected_<factor>_share (of all cells); stability, flag, note.
    """
    columns = [names.CLUSTER, names.SAMPLE, *FACTORS]
    labels = cells[columns].astype(object)
    labels = labels.where(labels.notna() & (labels != ""), NONE_GIVEN)
    order = sorted(labels[names.CLUSTER].unique(), key=lambda name: (len(name), name))
    grouped = labels.groupby(names.CLUSTER, sort=False)
    table = pd.DataFrame({"n_cells": grouped.size(), "n_samples": grouped[names.SAMPLE].nunique()})
    for factor, (_, plural) in FACTORS.items():
        table[f"n_{plural}"] = grouped[factor].nunique()
    for factor in FACTORS:
        table = table.join(_largest(labels, factor))
    table = table.loc[order].rename_axis(names.CLUSTER).reset_index()
    table["stability"] = [stability.get(cluster, np.nan) for cluster in order]
    single = [factor for factor in FACTORS if len(labels[factor].unique()) == 1]
    limits = (max_share_of_one, min_stability, min_cells)
    table["flag"] = [_flag(row, single, *limits) for row in table.to_dict("records")]
    table["note"] = [_note(row, labels, single) for row in table.to_dict("records")]
    if (labels["batch"] == NONE_GIVEN).all():
        of_batch = ["n_batches", "largest_batch", "largest_batch_share", "expected_batch_share"]
        table[of_batch] = np.nan
    return table


def _largest(labels: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Find the patient or batch with the most cells of each cluster, the first by name of equal ones."""
    counts = pd.crosstab(labels[names.CLUSTER], labels[factor])
    largest = counts.idxmax(axis=1)
    expected = counts.sum() / len(labels)
    return pd.DataFrame(
        {
            f"largest_{factor}": largest,
            f"largest_{factor}_share": counts.max(axis=1) / counts.sum(axis=1),
            f"expected_{factor}_share": largest.map(expected),
        }
    )


def _flag(
    row: dict[Hashable, Any], single: list[str], max_share: float, min_stability: float, min_cells: int
) -> str:
    found = []
    for factor, (singular, _) in FACTORS.items():
        share, expected = row[f"largest_{factor}_share"], row[f"expected_{factor}_share"]
        if factor not in single and share >= max_share and 1 - share < (1 - expected) / 2:
            who = row[f"largest_{factor}"]
            told = f"{who} holds {share:.0%} of the cells although it holds {expected:.0%} of the cohort"
            found.append(f"one {singular}: {told}")
    if row["stability"] < min_stability:
        found.append(f"unstable: found again with a Jaccard index of {row['stability']:.2f}")
    if row["n_cells"] < min_cells:
        found.append(f"few cells: {row['n_cells']:.0f}")
    return "; ".join(found)


def _note(row: dict[Hashable, Any], labels: pd.DataFrame, single: list[str]) -> str:
    found = []
    for factor in single:
        singular, plural = FACTORS[factor]
        none = labels[factor].iloc[0] == NONE_GIVEN
        told = f"no {singular} is given" if none else f"the cohort has one {singular}"
        found.append(f"{plural} not testable: {told}")
    if np.isnan(row["stability"]):
        one = len(labels[names.CLUSTER].unique()) == 1
        why = "all cells are one cluster" if one else "too few cells in a subsample"
        found.append(f"stability not testable: {why}")
    return "; ".join(found)
