"""The report of several cohorts together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stietime.cohort.meta_analysis.tables import COMBINED, ONE_COHORT
from stietime.report import labels
from stietime.report.blocks import Block, Box, Heading, Link, Section, Text, Tiles
from stietime.report.build import render_page
from stietime.report.combined_claims import claims_of
from stietime.report.combined_forests import forests
from stietime.report.pictures import caption_text
from stietime.report.results import Results
from stietime.report.tables import format_percent, table
from stietime.settings import Settings

if TYPE_CHECKING:
    from stietime.report.combined_claims import Combined

CONTRASTS = Link("contrasts.tsv", "contrasts.tsv")
COHORTS = Link("cohorts.tsv", "cohorts.tsv")
RECORD = Link("provenance.json", "provenance.json")
MOST_ROWS_LISTED = 400
# columns of the table of combined contrasts, as a reader takes them
LISTED = {
    "contrast": "contrast",
    "kind": "kind",
    "entity": "entity",
    "n_cohorts": "k",
    "n_patients": "patients",
    "estimate": "estimate",
    "ci_low": "interval from",
    "ci_high": "to",
    "p": "p",
    "q": "q",
    "i2": "I\N{SUPERSCRIPT TWO}",
    "tau2": "tau\N{SUPERSCRIPT TWO}",
    "p_heterogeneity": "p of heterogeneity",
    "prediction_low": "next cohort from",
    "prediction_high": "next cohort to",
    "common_estimate": "average here",
    "common_low": "average from",
    "common_high": "average to",
    "common_q": "q of the average",
    "cohorts": "cohorts",
    "note": "note",
}


def combined_page(combined: Combined) -> str:
    """Make the page as HTML.

    Parameters
    ----------
    combined
        What was combined.
    """
    made = [
        Section("cohorts", "What was combined", tuple(_cohorts(combined))),
        Section("claims", "Claims of the reviews, over all cohorts", tuple(claims_of(combined))),
        Section("forests", "Effects, cohort by cohort", tuple(_forests(combined))),
        Section("contrasts", "All combined contrasts", tuple(_contrasts(combined))),
        Section("methods", "Methods and settings", tuple(_methods(combined))),
    ]
    n_patients = sum(cohort["patients"] for cohort in combined.cohorts)
    simulated = all(cohort["simulated"] for cohort in combined.cohorts)
    settings = Settings.model_validate({"simulation": {}} if simulated else {})
    page = Results(Path(), Path("index.html"), settings, pd.DataFrame())
    told = ", ".join(combined.cohort_names)
    subtitle = f"Random effects over {len(combined.cohorts)} cohorts of {n_patients} patients: {told}"
    return render_page(page, made, title="STIE against TIME over several cohorts", subtitle=subtitle)


def _cohorts(combined: Combined) -> list[Block]:
    status = combined.contrasts["status"].value_counts()
    of_claims = combined.claims["status"].value_counts()
    tiles = Tiles(
        (
            (str(len(combined.cohorts)), "cohorts", ""),
            (str(sum(cohort["patients"] for cohort in combined.cohorts)), "patients", "of all cohorts"),
            (
                f"{status.get(COMBINED, 0):,}",
                "combined effects",
                f"{status.get(ONE_COHORT, 0):,} more from one cohort alone",
            ),
            (
                str(of_claims.get(COMBINED, 0)),
                "claims combined",
                f"{of_claims.get(ONE_COHORT, 0)} more tested by one cohort alone",
            ),
        )
    )
    warnings = (
        [Box("warning", "Before you rely on this", tuple(combined.warnings))] if combined.warnings else []
    )
    simulated = [str(cohort["cohort"]) for cohort in combined.cohorts if cohort["simulated"]]
    if simulated and len(simulated) < len(combined.cohorts):
        warnings.append(Box("simulated", "Some of these cohorts are simulated", (", ".join(simulated),)))
    facts = pd.DataFrame(
        [
            {key: value for key, value in cohort.items() if key not in ("simulated", "report")}
            for cohort in combined.cohorts
        ]
    )
    address = {str(cohort["cohort"]): str(cohort["report"]) for cohort in combined.cohorts}
    listed = table(
        facts,
        caption_text("combined_cohorts", n=len(facts)),
        links={"cohort": lambda name: address[name]},
        sources=(COHORTS, RECORD),
    )
    return [tiles, *warnings, listed, *_differing(combined)]


def _differing(combined: Combined) -> list[Block]:
    if combined.differing.empty:
        return [Text("The runs used the same settings wherever a number may depend on them.")]
    n = len(combined.differing)
    caption = f"Settings that differ between the runs and that their numbers may depend on (n = {n})."
    return [table(combined.differing, caption, folded=f"Show the {n} settings that differ", searchable=True)]


def _forests(combined: Combined) -> list[Block]:
    drawn = forests(combined.contrasts, combined.rows, combined.claims, (CONTRASTS, COHORTS))
    text = Text(caption_text("combined_forests_text"))
    if not drawn:
        why = combined.rows["why_left_out"].replace("", pd.NA).dropna().value_counts().head(3)
        lines = tuple(f"{n} rows of cohorts: {reason}" for reason, n in why.items())
        return [Box("note", "No effect was measured by two cohorts on one scale", lines)]
    return [text, *drawn]


def _contrasts(combined: Combined) -> list[Block]:
    every = combined.contrasts
    several = every[every["status"] == COMBINED].sort_values("p", kind="stable")
    listed = several.head(MOST_ROWS_LISTED)
    if listed.empty:
        return [Text("No effect is combined; the table of contrasts tells what one cohort alone can say.")]
    shown = listed[list(LISTED)].rename(columns=LISTED)
    shown.insert(2, "name", listed["entity"].map(labels.label))
    caption = caption_text("combined_contrasts", n=len(several), listed=len(listed))
    listing = table(
        shown,
        caption,
        formats={LISTED["i2"]: format_percent},
        sources=(CONTRASTS, COHORTS),
        filters=("contrast", "kind"),
        searchable=True,
        folded=f"Show the numbers ({len(listed)} rows)",
    )
    return [listing]


def _methods(combined: Combined) -> list[Block]:
    facts = {
        "rules": combined.rules,
        "k": len(combined.cohorts),
        "over_cancers": combined.over_cancers,
        "with_confounded": combined.with_confounded,
    }
    paragraphs = caption_text("methods_combined", **facts).split("||")
    return [*(Text(paragraph) for paragraph in paragraphs if paragraph.strip()), Heading("Tables"), _tables()]


def _tables() -> Block:
    rows = [
        (
            "contrasts.tsv",
            "every contrast and entity: combined, from one cohort, or not testable, with the reason",
        ),
        ("cohorts.tsv", "every row of a cohort: entered with its weight, or left out with the reason"),
        ("claims.tsv", "every claim: the combined verdict, and the verdict of each cohort"),
        ("provenance.json", "versions, options, and the checksums of the tables that were read"),
    ]
    frame = pd.DataFrame(rows, columns=["table", "one row for"])
    return table(frame, "The files beside this page.", links={"table": lambda name: name})
