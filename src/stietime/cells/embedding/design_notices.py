"""What a report says at its top of a design in which factors cannot be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stietime import names
from stietime.cells.embedding.contrast_design import EMPTY, confounded_contrasts
from stietime.cells.embedding.design import FULLY, NEARLY, PARTLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

PLURALS: Final = {
    names.ENVIRONMENT: "environments",
    names.TIMEPOINT: "time points",
    names.PATIENT: "patients",
    "batch": "batches",
    "chemistry": "chemistries",
}


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
    Sentences, the gravest first; empty where every batch holds every environment.
    """
    other, level = relations["other"], relations["level"]
    grave = other.isin([names.ENVIRONMENT, names.TIMEPOINT]) & level.isin([FULLY, NEARLY])
    partly = (other == names.ENVIRONMENT) & (level == PARTLY)
    told = [
        _tell_relation(row, str(row["factor"]) in corrected)
        for row in relations[grave | partly].sort_values("level", kind="stable").to_dict("records")
        if row["factor"] != names.PATIENT or row["factor"] in corrected
    ]
    erased = relations[relations["factor"].isin(corrected) & (other == names.PATIENT)]
    told += [
        f"Correction over {row['factor']} takes the differences between patients out of the embedding: "
        f"{row['note']}. Fractions and expression are not corrected."
        for row in erased[erased["level"] == FULLY].to_dict("records")
    ]
    compared = verdicts[verdicts["level"] != EMPTY]["contrast"].unique()
    return told + contrast_notices(confounded_contrasts(verdicts), list(compared))


def _plural(factor: object) -> str:
    return PLURALS.get(str(factor), f"values of {factor}")


def _tell_relation(row: Mapping[object, object], is_corrected: bool) -> str:  # noqa: FBT001
    factor, other = row["factor"], row["other"]
    if row["level"] == NEARLY:
        return f"{factor} and {other} can hardly be told apart: {row['note']}."
    if row["level"] == PARTLY:
        return (
            f"{factor} and {other} cannot be told apart in part: {row['note']}. What is seen there may be a "
            f"difference of {factor}; comparisons of {_plural(other)} rest on the other {_plural(factor)}."
        )
    what = f"{factor} and {other} cannot be told apart: {row['note']}. "
    if not is_corrected:
        return what + f"What differs between {_plural(other)} may be a difference of {factor}."
    return what + (
        f"Correction over {factor} takes what differs between {_plural(other)} out of the embedding, so that "
        f"clusters and drawings do not show it. Cell types within each {other}, and comparisons within each "
        f"{factor}, still hold."
    )


def contrast_notices(confounded: Mapping[str, str], compared: Sequence[str]) -> list[str]:
    """Say from which contrasts nothing can be concluded, and which are not affected.

    Parameters
    ----------
    confounded
        The reason of each confounded contrast, by its name.
    compared
        Names of all contrasts that compare something.

    Returns
    -------
    One sentence or more in one string; nothing where no contrast is confounded.
    """
    if not confounded:
        return []
    reasons = "; ".join(f"“{name}” ({note})" for name, note in confounded.items())
    fine = [f"“{name}”" for name in compared if name not in confounded]
    still = f"Not affected: {', '.join(fine)}." if fine else "No contrast of the cohort is free of it."
    return [
        f"Nothing can be concluded from {reasons}. The numbers stand in the tables, and no claim is called "
        f"supported or contradicted by them. {still}"
    ]
