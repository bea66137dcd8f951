"""What the sample sheet and the quality tables say about the design: pairs, batches, what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stietime.report.results import Results

FEW_PAIRS = 6  # with fewer, no exact two-sided test of pairs reaches p = 0.05
FEW_CELLS_KEPT = 0.5


def ordered(values: Iterable[str], first: Sequence[str]) -> list[str]:
    """Return the distinct values, those named first in front, the others sorted."""
    distinct = set(values)
    return [value for value in first if value in distinct] + sorted(distinct - set(first))


def environments(rows: pd.DataFrame) -> list[str]:
    """Return the environments of a frame in the order in which they are shown."""
    return ordered(rows[names.ENVIRONMENT].fillna(""), names.ENVIRONMENTS)


def timepoints(rows: pd.DataFrame, results: Results) -> list[str]:
    """Return the time points of a frame, before and after first."""
    settings = results.settings.comparison
    return ordered(rows[names.TIMEPOINT].fillna(""), (settings.before, settings.after))


def in_order(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Sort rows by environment, time point, patient and sample, as every figure does.

    Parameters
    ----------
    frame
        Rows with environment, timepoint, patient and sample.
    results
        Names the time points.
    """
    keys = frame.assign(
        _environment=frame[names.ENVIRONMENT].fillna("").map(environments(frame).index),
        _timepoint=frame[names.TIMEPOINT].fillna("").map(timepoints(frame, results).index),
    )
    by = ["_environment", "_timepoint", names.PATIENT, names.SAMPLE]
    return frame.loc[keys.sort_values(by, kind="stable").index]


def count_cells(results: Results) -> pd.DataFrame:
    """Count the cells of each sample by the reason they were dropped for.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    Samples as index in the order of the sheet, `kept` and the reasons as columns, numbers of cells; samples
    without a quality table are left out.
    """
    counts = {
        sample: results.table("quality", [names.REASON], name=sample)[names.REASON].value_counts()
        for sample in results.rows(names.CELLS)[names.SAMPLE]
        if results.has("quality", sample)
    }
    frame = pd.DataFrame.from_dict(counts, orient="index").fillna(0).astype(int)
    frame.index.name = names.SAMPLE
    order = [names.KEPT, *sorted(set(frame.columns) - {names.KEPT})]
    return frame.reindex(columns=order, fill_value=0)


def count_pairs(results: Results) -> dict[str, int]:
    """Count, for each time point in order, the patients with cells of both blood and tumour.

    Parameters
    ----------
    results
        The results of a run.
    """
    rows = results.rows(names.CELLS)
    moments = timepoints(rows, results)
    known = rows[rows[names.ENVIRONMENT].isin((names.STIE, names.TIME))]
    by = [known[names.TIMEPOINT].fillna(""), known[names.PATIENT]]
    both = known.groupby(by)[names.ENVIRONMENT].nunique() == 2
    pairs = both.groupby(level=0).sum()
    return {str(timepoint): int(pairs[timepoint]) for timepoint in moments if timepoint in pairs.index}


def confounded_batches(rows: pd.DataFrame, batch: str) -> list[str]:
    """Name the batches that hold one environment only, when the cohort has several of both.

    Parameters
    ----------
    rows
        Rows of the sample sheet.
    batch
        Column that holds the batch.
    """
    if batch not in rows.columns or rows[batch].nunique() < 2 or rows[names.ENVIRONMENT].nunique() < 2:
        return []
    n_environments = rows.groupby(rows[batch].astype(str))[names.ENVIRONMENT].nunique()
    return sorted(n_environments[n_environments == 1].index)


def warnings(results: Results, counts: pd.DataFrame) -> list[str]:
    """Say what limits the conclusions of this cohort, one sentence each.

    Parameters
    ----------
    results
        The results of a run.
    counts
        Of `count_cells`.
    """
    rows = results.rows(names.CELLS)
    return [
        *_batch_warning(rows, results.settings.integration.batch_column),
        *_lost_samples(rows, counts),
        *_few_patients(results),
    ]


def _batch_warning(rows: pd.DataFrame, column: str) -> list[str]:
    alone = confounded_batches(rows, column)
    if not alone:
        return []
    if len(alone) == rows[column].nunique():
        return [
            "Batch and environment are confounded: every batch holds one environment only. A difference "
            "between environments cannot be told from a difference between batches, in any table here."
        ]
    which = f"Batch {alone[0]} holds" if len(alone) == 1 else f"Batches {', '.join(alone)} hold"
    return [
        f"In part, batch and environment are confounded. {which} one environment only, so what is seen there "
        "cannot be told from the batch; paired comparisons rest on the other batches."
    ]


def _lost_samples(rows: pd.DataFrame, counts: pd.DataFrame) -> list[str]:
    missing = [sample for sample in rows[names.SAMPLE] if sample not in counts.index]
    totals = counts.sum(axis=1)
    none_kept = list(counts.index[counts[names.KEPT] == 0]) if len(counts) else []
    share = counts[names.KEPT] / totals.where(totals > 0)
    many_lost = list(counts.index[(share < FEW_CELLS_KEPT) & (counts[names.KEPT] > 0)]) if len(counts) else []
    found = (
        (missing, "No quality table, so these samples failed or were not run: {}."),
        (none_kept, "No cell was kept, so these samples are excluded from everything below: {}."),
        (many_lost, "Less than half of the cells were kept in: {}. Look at their quality sections."),
    )
    return [text.format(", ".join(samples)) for samples, text in found if samples]


def _few_patients(results: Results) -> list[str]:
    few = {timepoint: n for timepoint, n in count_pairs(results).items() if n < FEW_PAIRS}
    if not few:
        return []
    told = ", ".join(f"{n}{f' {timepoint} treatment' if timepoint else ''}" for timepoint, n in few.items())
    return [
        f"Few patients have both blood and tumour ({told}). With fewer than {FEW_PAIRS} pairs an exact test "
        "of signs cannot reach p = 0.05, however large the difference: smaller p-values rest on the "
        "assumptions of the t-test. Read the estimates with their intervals, and take “inconclusive” as "
        "“too few patients”, not as “no difference”."
    ]
