"""How many cells have a receptor, how many of them are followed, and why others are not."""

from __future__ import annotations

from typing import Final

import pandas as pd

from stietime import names
from stietime.cohort.clonotypes.kinds import FOLLOWED

NO_RECEPTOR: Final = "no receptor"
OTHER_PATIENTS: Final = "n_receptors_in_other_patients"


def patients_sampled(cells: pd.DataFrame) -> pd.DataFrame:
    """List what was sampled of every patient.

    Parameters
    ----------
    cells
        One row per kept cell with the sample sheet's columns.

    Returns
    -------
    One row per patient, environment and timepoint (empty where the sheet names none).
    """
    known = cells[[names.PATIENT, names.ENVIRONMENT]].astype(object)
    time = cells[names.TIMEPOINT] if names.TIMEPOINT in cells else pd.Series("", index=cells.index)
    known[names.TIMEPOINT] = time.astype(object).fillna("")
    keys = [names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT]
    return known.drop_duplicates().sort_values(keys, ignore_index=True)


def count_receptors(followed: pd.DataFrame, receptors: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """Count, for every sample, what became of the cells and their receptors.

    Parameters
    ----------
    followed
        As `follow` gives them: one row per kept cell.
    receptors
        One row per cell of every sample, kept or not, with `cell` and n_unknown_barcodes.
    named
        The kept cells with patient and their clone; a pair of chains that other patients have too is counted.

    Returns
    -------
    One row per sample: patient, environment, timepoint, n_cells (kept), n_receptors, n_followed,
    n_in_clones_of_several (followed cells whose clone has more cells in the patient), n_not_followed and why,
    n_unknown_barcodes (cells of the receptor file that the sample does not have) and
    n_receptors_in_other_patients.
    """
    keys = [names.SAMPLE, names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT]
    is_followed = followed["status"] == FOLLOWED
    size = followed[is_followed].groupby([names.PATIENT, "clone"])["clone"].transform("size")
    marked = followed.assign(
        _receptor=followed["status"] != NO_RECEPTOR,
        _followed=is_followed,
        _several=(size > 1).reindex(followed.index, fill_value=False),
        _other=_in_other_patients(named).reindex(followed[names.CELL]).to_numpy(dtype=bool),
    )
    groups = marked.groupby(keys, sort=True, observed=True)
    sums = groups[["_receptor", "_followed", "_several", "_other"]].sum().astype(int)
    sums.insert(0, "n_cells", groups.size())
    sums.columns = ["n_cells", "n_receptors", "n_followed", "n_in_clones_of_several", OTHER_PATIENTS]
    why = marked[marked["_receptor"] & ~is_followed].groupby(keys, sort=True)["status"].agg(_told)
    sums.insert(4, "not_followed", why.reindex(sums.index).fillna(""))
    unknown = receptors.assign(**{names.SAMPLE: receptors[names.CELL].str.partition(":")[0]})
    per_sample = unknown.groupby(names.SAMPLE)["n_unknown_barcodes"].first()
    table = sums.reset_index()
    table["n_unknown_barcodes"] = table[names.SAMPLE].map(per_sample).fillna(0).astype(int)
    return table


def _told(statuses: pd.Series) -> str:
    return "; ".join(f"{n} {status}" for status, n in statuses.value_counts().sort_index().items())


def _in_other_patients(named: pd.DataFrame) -> pd.Series:
    """Say of each cell whether its pair of chains is also in another patient."""
    pair = named["alpha"] + " / " + named["beta"]
    whole = (named["alpha"] != "") & (named["beta"] != "")
    n_patients = named[whole].groupby(pair[whole])[names.PATIENT].transform("nunique")
    found = (n_patients > 1).reindex(named.index, fill_value=False)
    return pd.Series(found.to_numpy(dtype=bool), index=named[names.CELL])
