"""What the sample sheet and the quality tables say about the design: pairs, batches, what was lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from stietime import names
from stietime.figures.style import REASON_COLOURS
from stietime.report.confounding import judged_contrasts, judged_designs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stietime.report.results import Results

NOT_ASSESSED = "not assessed"  # the verdict on a sample whose quality was not assessed
# of a reason: the separator, unless it stands in brackets
BETWEEN_REASONS = re.compile(r";\s+(?![^()]*\))")
FEW_PAIRS = 6  # with fewer, no exact two-sided test of pairs reaches p = 0.05
FEW_CELLS_KEPT = 0.5
MOST_NAMED = 12  # samples in one sentence


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
    without a quality table are left out, and so are the empty droplets of unfiltered files.
    """
    counts = {}
    for sample in results.rows(names.CELLS)[names.SAMPLE]:
        if results.has("quality", sample):
            reasons = results.table("quality", [names.REASON], name=sample)[names.REASON]
            counts[sample] = without_droplets(results, reasons, sample).value_counts()
    frame = pd.DataFrame.from_dict(counts, orient="index").fillna(0).astype(int)
    frame.index.name = names.SAMPLE
    order = ordered(frame.columns, tuple(REASON_COLOURS)) if len(frame) else [names.KEPT]
    return frame.reindex(columns=order, fill_value=0)


def without_droplets(results: Results, reasons: pd.Series, sample: str) -> pd.Series:
    """Leave out the empty droplets of an unfiltered file: there are many more of them than of cells.

    Parameters
    ----------
    results
        The results of a run.
    reasons
        The reason of each cell of the sample.
    sample
        Name of the sample.

    Returns
    -------
    The reasons of the cells; all of them in a file that was filtered.
    """
    empty = reasons == "empty"
    if empty.mean() <= 0.5 or empty.all() or not results.has("sample_quality", sample):
        return reasons
    summary = results.table("sample_quality", name=sample)
    found = "n_empty_droplets" in summary.columns and summary["n_empty_droplets"].iloc[0] > 0
    return reasons[~empty] if found else reasons


def sample_table(results: Results) -> pd.DataFrame:
    """Read the verdicts and numbers of all samples of cells.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    The columns of `samples.tsv`, one row per sample of the sheet in its order; a sample that is not in the
    table has the verdict `not assessed`.

    Raises
    ------
    InputError
        The table is missing or lacks a column.
    """
    results.table("samples", [names.SAMPLE, "verdict", names.REASON])
    # names stay as they are written, such as 01
    text = {names.SAMPLE: str, names.PATIENT: str}
    path = results.path("samples")
    frame = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False, na_values=["", "NaN", "nan"])
    sheet = results.rows(names.CELLS)[[names.SAMPLE]].astype(str)
    frame = sheet.merge(frame, on=names.SAMPLE, how="left")
    known = [c for c in (names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT) if c in results.samples.columns]
    rows = results.rows(names.CELLS)
    frame[known] = rows[known].to_numpy()
    for column in (names.REASON, "swap", "contamination_source"):
        frame[column] = frame[column].fillna("") if column in frame.columns else ""
    return frame.assign(verdict=frame["verdict"].fillna(NOT_ASSESSED))


def broken_rules(reason: str) -> list[str]:
    """Split the reason of a verdict into the rules that were broken, without what is only not estimable.

    Parameters
    ----------
    reason
        Of the table of samples.
    """
    return [text for text in BETWEEN_REASONS.split(reason) if text and "not estimable" not in text]


def verdict_tone(verdict: object) -> str:
    """Return the tone that a verdict on a sample is shown in; none where there is no verdict."""
    if not isinstance(verdict, str):
        return ""
    return verdict if verdict in names.SAMPLE_VERDICTS else "quiet"


def told_samples(samples: Sequence[str]) -> str:
    """Name samples in a sentence, the first of many."""
    rest = len(samples) - MOST_NAMED
    return ", ".join(samples[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def count_pairs(results: Results) -> dict[str, int]:
    """Count, for each time point in order, the patients with cells of both blood and tumour, none excluded.

    Parameters
    ----------
    results
        The results of a run.
    """
    rows = results.rows(names.CELLS)
    if results.has("samples") and len(rows):
        table = sample_table(results)
        excluded = table.loc[table["verdict"] == names.EXCLUDED, names.SAMPLE]
        rows = rows[~rows[names.SAMPLE].astype(str).isin(excluded)]
    moments = timepoints(rows, results)
    known = rows[rows[names.ENVIRONMENT].isin((names.STIE, names.TIME))]
    by = [known[names.TIMEPOINT].fillna(""), known[names.PATIENT]]
    both = known.groupby(by)[names.ENVIRONMENT].nunique() == 2
    pairs = both.groupby(level=0).sum()
    return {str(timepoint): int(pairs[timepoint]) for timepoint in moments if timepoint in pairs.index}


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
    table = sample_table(results) if len(rows) and results.has("samples") else None
    told, excluded = _verdicts(table) if table is not None else ([], set[str]())
    used = rows[~rows[names.SAMPLE].astype(str).isin(excluded)]
    return [
        *judged_designs(results, used),
        *judged_contrasts(results),
        *_lost_samples(rows, counts, excluded),
        *told,
        *_few_patients(results),
    ]


def _verdicts(table: pd.DataFrame) -> tuple[list[str], set[str]]:
    """Tell excluded samples with their reasons, suspected swaps and lost lineages; and which are excluded."""
    excluded = table[table["verdict"] == names.EXCLUDED]
    reasons = [
        f"{row[names.SAMPLE]} ({'; '.join(broken_rules(row[names.REASON])) or 'no reason given'})"
        for _, row in excluded.iterrows()
    ]
    told = [
        f"Excluded by their quality, so that none of their cells is used: {told_samples(reasons)}."
    ] * bool(reasons)
    told += [f"{words[:1].upper()}{words[1:]}." for words in dict.fromkeys(table["swap"]) if words]
    if "n_lineage_warnings" in table.columns:
        losing = list(table.loc[table["n_lineage_warnings"].fillna(0) > 0, names.SAMPLE])
        told += [
            f"A lineage lost more than its share of cells in {len(losing)} of {len(table)} samples "
            f"({told_samples(losing)}): see what each lineage lost."
        ] * bool(losing)
    return told, set(excluded[names.SAMPLE])


def _lost_samples(rows: pd.DataFrame, counts: pd.DataFrame, excluded: set[str]) -> list[str]:
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
    named = ([name for name in samples if name not in excluded] for samples, _ in found)
    return [text.format(told_samples(who)) for who, (_, text) in zip(named, found, strict=True) if who]


def _few_patients(results: Results) -> list[str]:
    pairs = count_pairs(results)
    few = {timepoint: n for timepoint, n in pairs.items() if n < FEW_PAIRS}
    if not few:
        return []
    if (
        not any(pairs.values())
        and len({names.STIE, names.TIME} & set(results.samples[names.ENVIRONMENT])) == 2
    ):
        return [
            "No patient has both blood and tumour. Blood and tumour are compared within patients, so nothing "
            "can be tested between them here; contrasts within one environment are not affected."
        ]
    told = ", ".join(f"{n}{f' {timepoint} treatment' if timepoint else ''}" for timepoint, n in few.items())
    return [
        f"Few patients have both blood and tumour ({told}). With fewer than {FEW_PAIRS} pairs an exact test "
        "of signs cannot reach p = 0.05, however large the difference: smaller p-values rest on the "
        "assumptions of the t-test. Read the estimates with their intervals, and take “inconclusive” as "
        "“too few patients”, not as “no difference”."
    ]
