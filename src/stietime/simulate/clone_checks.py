"""Planted beside recovered: clones that blood and tumour share, and the origin of those after treatment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.simulate.checks import Record, record

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL: Final = "all"
TOLERANCE: Final = 0.1  # not every cell shows both chains, so that fewer clones are seen on both sides
CLONES: Final = "true_clone"


def clone_records(table: pd.DataFrame, clonotypes: pd.DataFrame) -> Iterator[Record]:
    """Compare sharing with blood, replacement and its origin with those of the true clones.

    Parameters
    ----------
    table
        As `checks.join_truth` gives it.
    clonotypes
        clonotypes.tsv of the run.
    """
    single = table[table[names.KEEP] & (table["true_kind"] == "cell") & (table[CLONES] != "")]
    truth = pd.DataFrame({patient: _true_shares(part) for patient, part in single.groupby(names.PATIENT)}).T
    rows = clonotypes[clonotypes["entity"] == ALL].fillna({"timepoint": "", "environment": "", "other": ""})
    shared = rows["environment"].eq(names.TIME) & rows["other"].eq(names.STIE)
    shared &= rows["timepoint"].str.casefold() == "before"
    chosen = {
        "sharing": rows[shared & (rows["index"] == "sharing")],
        "replacement": rows[rows["index"] == "replacement"],
        "new_from_blood": rows[rows["index"] == "new_from_blood"],
    }
    for index, found in chosen.items():
        values = pd.Series(found["value"].to_numpy(dtype=float), index=found[names.PATIENT].to_numpy())
        both = pd.DataFrame({"planted": truth.get(index), "recovered": values}).dropna()
        if both.empty:
            continue
        planted, recovered = (float(both[name].mean()) for name in ("planted", "recovered"))
        note = f"mean over {len(both)} patients, in shares of cells; met: within {TOLERANCE:g}"
        met = abs(recovered - planted) <= TOLERANCE
        yield record(f"clones_{index}", ALL, planted, recovered, len(both), met=met, note=note)


def _true_shares(cells: pd.DataFrame) -> dict[str, float]:
    """Give the shares of one patient by the clones that were planted."""

    def of(environment: str, timepoint: str) -> pd.Series:
        """Choose the clones of the cells of a sample."""
        where = (cells[names.ENVIRONMENT] == environment) & (cells[names.TIMEPOINT] == timepoint)
        return cells.loc[where, CLONES]

    blood, before, after = of(names.STIE, "before"), of(names.TIME, "before"), of(names.TIME, "after")
    new = after[~after.isin(set(before))]
    return {
        "sharing": _mean(before.isin(set(blood))),
        "replacement": _mean(~after.isin(set(before))),
        "new_from_blood": _mean(new.isin(set(blood))),
    }


def _mean(hits: pd.Series) -> float:
    return float(hits.mean()) if len(hits) else np.nan
