"""What the steps found that the design of a cohort cannot tell apart, as the top of the report says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.cells.embedding.contrast_design import judge_contrasts
from stietime.cells.embedding.design import relate_factors
from stietime.cells.embedding.design_notices import contrast_notices, design_notices
from stietime.report.contrast_labels import contrast_label

if TYPE_CHECKING:
    import pandas as pd

    from stietime.report.results import Results


def judged_designs(results: Results, used: pd.DataFrame) -> list[str]:
    """Tell what the step `integrate` found that cannot be told apart, or judge the sheet where it did not.

    Parameters
    ----------
    results
        The results of a run.
    used
        Rows of the sample sheet without excluded samples.

    Returns
    -------
    Sentences, the gravest first.
    """
    integration = results.settings.integration
    told: list[str] | None = None
    if results.has("integration_metrics"):
        table = results.table("integration_metrics", ["embedding", "metric", "note"])
        of_design = table[table["embedding"] == "design"]
        warned = of_design.loc[of_design["metric"] == "warning", "note"]
        told = list(warned.astype(str)) if len(of_design) else None
    if told is None:
        samples = used.set_index(names.SAMPLE)
        samples = samples.assign(batch=samples.get(integration.batch_column, ""))
        corrected = ["batch"] if integration.method == "harmony" else []
        told = design_notices(relate_factors(samples, ["batch"]), judge_contrasts(samples, {}), corrected)
    return [f"{words[:1].upper()}{words[1:]}" for words in told]


def judged_contrasts(results: Results) -> list[str]:
    """Tell from which contrasts the step `compare` found that nothing can be concluded.

    Parameters
    ----------
    results
        The results of a run.

    Returns
    -------
    One string, or none where no contrast is confounded.
    """
    if not results.has("contrasts"):
        return []
    table = results.table("contrasts", ["contrast", "estimate"])
    if "confounded" not in table:
        return []
    told = table[table["confounded"].notna()].drop_duplicates("contrast").set_index("contrast")["confounded"]
    if told.empty:
        return []
    whole = told.index.str.partition(";").get_level_values(0)
    # a stratum repeats the contrast it is part of
    reasons = told[(told.index == whole) | ~whole.isin(told.index)].rename(contrast_label)
    compared = table.loc[table["estimate"].notna(), "contrast"].unique()
    fine = [contrast_label(name) for name in compared if name not in told.index]
    return contrast_notices({str(name): str(why) for name, why in reasons.items()}, fine)
