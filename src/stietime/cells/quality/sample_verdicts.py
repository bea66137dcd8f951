"""Whether a sample can be used: a verdict by fixed rules, with every reason in words and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stietime.names import CAUTION, EXCLUDED, SAMPLE_VERDICTS, USABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

SEXES: Final = ("female", "male")
SEPARATOR: Final = "; "
# the metric and the side of the cut that each reason of a dropped cell stands for
CUT_OF_REASON: Final = {
    "empty": ("empty", "lower"),
    "low_counts": ("n_counts", "lower"),
    "high_counts": ("n_counts", "upper"),
    "low_genes": ("n_genes", "lower"),
    "high_genes": ("n_genes", "upper"),
    "high_mito": ("pct_mito", "upper"),
    "doublet": ("doublet_score", "upper"),
}


@dataclass(frozen=True)
class VerdictLimits:
    """The rules; each is an option of the group `quality` of the same name.

    Parameters
    ----------
    min_cells_caution, min_cells_usable
        A sample that keeps fewer cells is used with caution, or excluded.
    max_contamination_caution, max_contamination_usable
        The same for a larger share of ambient counts (0 to 1).
    min_saturation_caution, min_saturation_usable
        The same for a lower saturation (0 to 1).
    on_swap
        `caution` or `exclude`, when the expressed sex contradicts the sheet.
    """

    min_cells_caution: int = 50
    min_cells_usable: int = 1
    max_contamination_caution: float = 0.2
    max_contamination_usable: float = 0.5
    min_saturation_caution: float = 0.5
    min_saturation_usable: float = 0.1
    on_swap: str = "caution"


Finding = tuple[str, str]  # a verdict and its reason


def judge(facts: Mapping[str, Any], limits: VerdictLimits) -> Finding:
    """Give a sample its verdict: the worst that any rule gives.

    Parameters
    ----------
    facts
        n_measured and n_kept (cells before and after the filters of cells); where known also losses (as
        `tell_losses` gives them), saturation, contamination, contamination_low, contamination_high,
        contamination_note, sex_expressed, sex_note and sex_sheet. A number that is nan, or left out, is not
        estimable: that is said, and never a reason by itself.
    limits
        The rules.

    Returns
    -------
    `usable`, `caution` or `excluded`; and all reasons in words with their numbers, joined by "; ", before
    what could not be estimated. Empty where there is nothing to say.
    """
    found = [
        *_judge_cells(facts, limits),
        *_judge_contamination(facts, limits),
        *_judge_saturation(facts, limits),
        *_judge_sex(facts, limits),
    ]
    found.sort(key=lambda finding: finding[0] == USABLE)  # remarks last
    worst = max((verdict for verdict, _ in found), key=SAMPLE_VERDICTS.index, default=USABLE)
    return worst, SEPARATOR.join(reason for _, reason in found)


def add_reason(verdict: str, reason: str, further: Finding) -> Finding:
    """Add a finding to a verdict: the worse of the two verdicts, both reasons.

    Parameters
    ----------
    verdict, reason
        As `judge` gives them.
    further
        Another verdict with its reason.
    """
    worst = max(verdict, further[0], key=SAMPLE_VERDICTS.index)
    return worst, SEPARATOR.join(filter(None, (reason, further[1])))


def tell_losses(removed: Mapping[str, int], cuts: pd.DataFrame) -> str:
    """Say which filters dropped cells of a sample, with their cuts, the largest first.

    Parameters
    ----------
    removed
        Number of dropped cells by reason; `kept` and reasons without a cell are passed over.
    cuts
        The table of cuts of the sample: metric, lower, upper, n_removed, note, one row for each lineage that
        was judged by itself.

    Returns
    -------
    Such as "high_mito 640 (above 50 %), low_genes 172 (below 60 to 100)"; empty when no cell is dropped.
    """
    ranked = sorted(removed.items(), key=lambda item: -item[1])
    told = [f"{reason} {n}{_tell_cut(reason, cuts)}" for reason, n in ranked if n and reason in CUT_OF_REASON]
    return ", ".join(told)


def _tell_cut(reason: str, cuts: pd.DataFrame) -> str:
    """Give the cut that dropped cells for a reason: a range where lineages have different ones."""
    metric, side = CUT_OF_REASON[reason]
    rows = cuts[(cuts["metric"] == metric) & (cuts["n_removed"] > 0) & cuts[side].notna()]
    if rows.empty:
        return ""
    if metric == "empty":
        return f" ({rows['note'].iloc[0]})"
    decimals = 2 if metric == "doublet_score" else 0
    low, high = (f"{value:.{decimals}f}" for value in (rows[side].min(), rows[side].max()))
    unit = " %" if metric.startswith("pct_") else ""
    word = "below" if side == "lower" else "above"
    return f" ({word} {low if low == high else f'{low} to {high}'}{unit})"


def _number(facts: Mapping[str, Any], name: str) -> float:
    value = facts.get(name)
    return math.nan if value is None else float(value)


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""  # an empty cell of a table is read as nan


def _judge_cells(facts: Mapping[str, Any], limits: VerdictLimits) -> Iterator[Finding]:
    n_measured, n_kept, losses = int(facts["n_measured"]), int(facts["n_kept"]), _text(facts, "losses")
    if not n_measured:
        yield EXCLUDED, "the sample holds no cell"
    elif not n_kept:
        yield EXCLUDED, f"all {n_measured} cells dropped" + (f": {losses}" if losses else "")
    else:
        keeps = f"keeps {n_kept} cell{'' if n_kept == 1 else 's'}"
        dropped = f", {n_measured - n_kept} dropped: {losses}" if losses else ""
        if n_kept < limits.min_cells_usable:
            yield EXCLUDED, f"{keeps}, fewer than {limits.min_cells_usable} (min_cells_usable){dropped}"
        elif n_kept < limits.min_cells_caution:
            yield CAUTION, f"{keeps}, fewer than {limits.min_cells_caution} (min_cells_caution){dropped}"


def _judge_contamination(facts: Mapping[str, Any], limits: VerdictLimits) -> Iterator[Finding]:
    share, note = _number(facts, "contamination"), _text(facts, "contamination_note")
    if math.isnan(share):
        yield USABLE, "contamination not estimable" + (f" ({note})" if note else "")
        return
    low, high = _number(facts, "contamination_low"), _number(facts, "contamination_high")
    interval = "" if math.isnan(low + high) else f" ({low:.3g} to {high:.3g})"
    told = f"share of ambient counts {share:.3g}{interval}, larger than"
    if share > limits.max_contamination_usable:
        yield EXCLUDED, f"{told} {limits.max_contamination_usable:g} (max_contamination_usable)"
    elif share > limits.max_contamination_caution:
        yield CAUTION, f"{told} {limits.max_contamination_caution:g} (max_contamination_caution)"


def _judge_saturation(facts: Mapping[str, Any], limits: VerdictLimits) -> Iterator[Finding]:
    saturation = _number(facts, "saturation")
    if math.isnan(saturation):
        yield USABLE, "saturation not estimable"
    elif saturation < limits.min_saturation_usable:
        told = f"saturation {saturation:.3g}, lower than {limits.min_saturation_usable:g}"
        yield EXCLUDED, f"{told} (min_saturation_usable)"
    elif saturation < limits.min_saturation_caution:
        told = f"saturation {saturation:.3g}, lower than {limits.min_saturation_caution:g}"
        yield CAUTION, f"{told} (min_saturation_caution)"


def _judge_sex(facts: Mapping[str, Any], limits: VerdictLimits) -> Iterator[Finding]:
    expressed, written = _text(facts, "sex_expressed"), _text(facts, "sex_sheet")
    if expressed in SEXES and written in SEXES and expressed != written:
        note = _text(facts, "sex_note")
        cells = f"the cells express {expressed}{f' ({note})' if note else ''}"
        verdict = EXCLUDED if limits.on_swap == "exclude" else CAUTION
        yield verdict, f"{cells}, the sheet says {written}: swap suspected (on_swap {limits.on_swap})"
