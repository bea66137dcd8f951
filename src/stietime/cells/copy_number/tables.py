"""The copy numbers of a sample as rows of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cells.copy_number.calls import describe_arms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.copy_number.calls import CopyNumbers
    from stietime.cells.copy_number.profiles import Windows

SAMPLE_COLUMNS: Final = (
    *(names.SAMPLE, "n_epithelial", "n_reference", "reference", "reference_lineages", "n_genes", "n_windows"),
    *("n_called", "share_called", "signal_threshold", "correlation_threshold", "p_order", "note"),
)
ARM_COLUMNS: Final = (
    *(names.SAMPLE, "cells", "n_cells", "chromosome", "arm", "n_genes", "mean_log_ratio", "z", "state"),
)
PROFILE_COLUMNS: Final = (names.SAMPLE, "chromosome", "start", "stop", "n_genes", "log_ratio")


def empty_cells(cells: pd.Index) -> pd.DataFrame:
    """List cells of which nothing is measured: signal, correlation and call are missing.

    Parameters
    ----------
    cells
        Names of the cells.
    """
    return pd.DataFrame(
        {
            names.COPY_NUMBER_SIGNAL: np.full(len(cells), np.nan, dtype=np.float32),
            names.COPY_NUMBER_CORRELATION: np.full(len(cells), np.nan, dtype=np.float32),
            names.IS_MALIGNANT: pd.array([pd.NA] * len(cells), dtype="boolean"),
        },
        index=cells,
    )


def fill_cells(table: pd.DataFrame, epithelial: pd.Index, reference: pd.Index, found: CopyNumbers) -> None:
    """Write what was measured into the rows of the cells.

    Parameters
    ----------
    table
        Of `empty_cells`; it is changed.
    epithelial
        The epithelial cells, in the order of `found`.
    reference
        The reference cells; those that are not in the table, as of other samples, have no row.
    found
        The copy numbers.
    """
    for who, values in ((epithelial, found.cells), (reference, found.reference)):
        at = table.index.get_indexer(who)
        for column, measured in zip(table.columns[:2], values, strict=True):
            filled = table[column].to_numpy(copy=True)
            filled[at[at >= 0]] = measured[at >= 0]
            table[column] = filled
    table.loc[epithelial, names.IS_MALIGNANT] = found.called


def sample_row(
    sample: str, found: CopyNumbers, groups: NDArray[np.object_], n_samples: int, windows: Windows, note: str
) -> pd.DataFrame:
    """Make the row of a sample.

    Parameters
    ----------
    sample
        Name of the sample.
    found
        Its copy numbers.
    groups
        Group of each reference cell.
    n_samples
        Number of samples that the reference cells are of; 1 for the sample's own.
    windows
        The windows.
    note
        What to know of it.
    """
    sizes = pd.Series(groups).value_counts()
    row = {
        names.SAMPLE: sample,
        "n_epithelial": len(found.called),
        "n_reference": len(groups),
        "reference": "sample" if n_samples == 1 else f"cohort ({n_samples} samples)",
        "reference_lineages": ", ".join(f"{group} {n}" for group, n in sizes.items()),
        "n_genes": windows.weights.shape[0],
        "n_windows": windows.weights.shape[1],
        "n_called": int(found.called.sum()),
        "share_called": round(float(found.called.mean()), 4),
        "signal_threshold": round(found.signal_threshold, 6),
        "correlation_threshold": round(found.correlation_threshold, 4),
        "p_order": found.p,
        "note": note,
    }
    return pd.DataFrame([row])


def untested_row(sample: str, n_epithelial: int, n_reference: int, note: str) -> pd.DataFrame:
    """Make the row of a sample that is not testable, with the reason as its note."""
    row = {names.SAMPLE: sample, "n_epithelial": n_epithelial, "n_reference": n_reference, "note": note}
    return pd.DataFrame([row])


def arm_rows(sample: str, found: CopyNumbers, places: pd.DataFrame) -> pd.DataFrame:
    """Make the rows of the chromosome arms of a sample; see `describe_arms`.

    Parameters
    ----------
    sample
        Name of the sample.
    found
        Its copy numbers.
    places
        One row per gene: chromosome, arm.
    """
    arms = describe_arms(places, found.gene_means, found.p).round({"mean_log_ratio": 5, "z": 3})
    n_called = int(found.called.sum())
    which = ("called malignant", n_called) if n_called else ("epithelial", len(found.called))
    return arms.assign(sample=sample, cells=which[0], n_cells=which[1])


def profile_rows(sample: str, found: CopyNumbers, windows: Windows) -> pd.DataFrame:
    """Make the rows of the windows of a sample: the mean profile of the cells that `arm_rows` is of."""
    return windows.places.assign(sample=sample, log_ratio=found.profile.round(5))


def stack(parts: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Put the rows of all samples one under the other, columns in order; there may be none.

    Parameters
    ----------
    parts
        Rows of each sample.
    columns
        Columns of the table.
    """
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    table = pd.concat(filled, ignore_index=True).reindex(columns=list(columns))
    counted = [column for column in table if str(column).startswith("n_")]
    return table.astype(dict.fromkeys(counted, "Int64"))  # a count that is missing makes no others fractions
