"""What a report says at its top of a design in which factors cannot be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.cells.contrast_design import EMPTY, confounded_contrasts
from stietime.cells.design import FULLY, NEARLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


def design_notices(
    relations: pd.DataFrame, verdicts: pd.DataFrame, corrected: Sequence[str] = ()
) -> list[str]:
    """Say what stands at the top of a report: what cannot be told apart, and what can still be concluded.

    Parameters
    ----------
    relations
        As `relate_factors` gives them.
    verdicts
        As `judge_contrasts` gives them.
    corrected
        Factors that the embedding was corrected for; none where it was not corrected.

    Returns
    -------
    Sentences, the gravest first; empty where nothing is fully or nearly confounded.
    """
    interest = relations["other"].isin([names.ENVIRONMENT, names.TIMEPOINT])
    grave = relations[interest & relations["level"].isin([FULLY, NEARLY])]
    told = [
        _tell_relation(row, str(row["factor"]) in corrected)
        for row in grave.sort_values("level", kind="stable").to_dict("records")
        if row["factor"] != names.PATIENT or row["factor"] in corrected
    ]
    erased = relations[relations["factor"].isin(corrected) & (relations["other"] == names.PATIENT)]
    told += [
        f"Correction over {row['factor']} takes the differences between patients out of the embedding: "
        f"{row['note']}. Fractions and expression are not corrected."
        for row in erased[erased["level"] == FULLY].to_dict("records")
    ]
    return told + _tell_contrasts(verdicts)


def _tell_relation(row: Mapping[object, object], is_corrected: bool) -> str:  # noqa: FBT001
    factor, other = row["factor"], row["other"]
    if row["level"] == NEARLY:
        return f"{factor} and {other} can hardly be told apart: {row['note']}."
    what = f"{factor} and {other} cannot be told apart: {row['note']}. "
    if not is_corrected:
        return what + f"What differs between values of {other} may be a difference of {factor}."
    return what + (
        f"Correction over {factor} takes what differs between values of {other} out of the embedding, so "
        f"that clusters and drawings do not show it. Cell types within each {other}, and comparisons within "
        f"each {factor}, still hold."
    )


def _tell_contrasts(verdicts: pd.DataFrame) -> list[str]:
    bad = confounded_contrasts(verdicts)
    compared = verdicts[verdicts["level"] != EMPTY]["contrast"].unique()
    fine = [name for name in compared if name not in bad]
    if not bad:
        return []
    reasons = "; ".join(f"{name} ({note})" for name, note in bad.items())
    still = (
        f"Not affected: {', '.join(map(str, fine))}." if fine else "No contrast of the cohort is free of it."
    )
    return [f"Nothing can be concluded from {reasons}. {still}"]
