"""What was combined, and what it says of the claims of the reviews."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.cohort.meta_analysis.claims import AGREE, DISAGREE
from stietime.cohort.meta_analysis.tables import COMBINED, ONE_COHORT
from stietime.figures.contrasts import verdict_bars
from stietime.report import labels
from stietime.report.blocks import Block, Box, Link, Text, Tiles
from stietime.report.pictures import caption_text, picture
from stietime.report.sections.claims import DIRECTIONS, VERDICT_TONES
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stietime.settings import Comparison

CLAIMS = Link("claims.tsv", "claims.tsv")


@dataclass(frozen=True)
class Combined:
    """What was combined, and what came of it.

    Parameters
    ----------
    contrasts, rows, claims
        The tables as `combine_rows` and `combine_claims` give them.
    cohorts
        Facts of each cohort: cohort, what, patients, samples, ..., simulated, report.
    differing
        Options in which the runs differ, one column per cohort.
    warnings
        Sentences for the top of the page.
    rules
        Level and margins of the verdicts.
    over_cancers, with_confounded
        What was asked for.
    """

    contrasts: pd.DataFrame
    rows: pd.DataFrame
    claims: pd.DataFrame
    cohorts: Sequence[dict[str, Any]]
    differing: pd.DataFrame
    warnings: Sequence[str]
    rules: Comparison
    over_cancers: bool
    with_confounded: bool

    @property
    def cohort_names(self) -> list[str]:
        """Names of the cohorts in their order."""
        return [str(cohort["cohort"]) for cohort in self.cohorts]


def claims_of(combined: Combined) -> list[Block]:
    """Count the verdicts by cohort and over all, and list every claim.

    Parameters
    ----------
    combined
        What was combined.
    """
    every = combined.claims
    several = every[every["status"] == COMBINED]
    numbers = several["verdict"].value_counts()
    agree = every["cohorts_agree"].value_counts()
    tiles = Tiles(
        (
            *(
                (str(int(numbers.get(verdict, 0))), verdict, "over all cohorts")
                for verdict in names.VERDICTS
                if verdict != names.NOT_TESTABLE
            ),
            (
                str(int(agree.get(AGREE, 0))),
                "claims on which cohorts agree",
                "two or more decided, all the same way",
            ),
            (
                str(int(agree.get(DISAGREE, 0))),
                "claims on which cohorts disagree",
                "one supports what another contradicts",
            ),
        )
    )
    counts = pd.DataFrame(
        {
            **{name: every[f"verdict:{name}"].value_counts() for name in combined.cohort_names},
            "average of these cohorts": several["verdict_here"].value_counts(),
            "all such cohorts": numbers,
        }
    ).T.reindex(columns=list(names.VERDICTS), fill_value=0)
    counts = counts.fillna(0).astype(int).drop(columns=names.NOT_TESTABLE)
    text = Text(caption_text("combined_claims_text", alpha=combined.rules.alpha, k=len(combined.cohorts)))
    if not counts.to_numpy().any():
        note = Box(
            "note", "No claim can be tested in any of these cohorts", ("The table says why, claim by claim.",)
        )
        return [text, tiles, note, _claims_table(combined)]
    alt = "Number of claims per verdict, by each cohort, by their average, and by random effects."
    bars = picture(verdict_bars(counts), alt, caption_text("combined_claims", n=len(several)), (CLAIMS,))
    return [text, tiles, bars, _claims_table(combined)]


def _claims_table(combined: Combined) -> Block:
    every = combined.claims
    rank = {status: place for place, status in enumerate((COMBINED, ONE_COHORT))}
    order = {verdict: place for place, verdict in enumerate(names.VERDICTS)}
    every = every.assign(
        _rank=every["status"].map(rank).fillna(len(rank)), _verdict=every["verdict"].map(order)
    )
    every = every.sort_values(["_rank", "_verdict", "p"], kind="stable")
    own = {name: every[f"verdict:{name}"] for name in combined.cohort_names}
    shown = pd.DataFrame(
        {
            "rests on": every["status"],
            "verdict": every["verdict"],
            "what the review says": every["entity_as_printed"]
            + ": "
            + every["direction"].map(DIRECTIONS).fillna(""),
            "average here": every["verdict_here"],
            **own,
            "cohorts": every["cohorts_agree"],
            "k": every["n_cohorts"],
            "patients": every["n_patients"],
            "estimate": every["estimate"],
            "interval from": every["ci_low"],
            "to": every["ci_high"],
            "q": every["q"],
            "i2": every["i2"],
            "where": every["compartment"],
            "treatment": every["context"].map(labels.CONTEXT_NAMES).fillna(every["context"]),
            "cancer": every["cancer"].str.replace("_", " "),
            "reason": (every["reason"].astype(str) + ": " + every["detail"].astype(str)).str.removesuffix(
                ": "
            ),
            "claim": every["claim_id"],
        }
    )
    tones: dict[str, Callable[[Any], str]] = dict.fromkeys(("verdict", "average here", *own), _tone)
    tones["cohorts"] = _tone
    return table(
        shown,
        caption_text("combined_claims_table", n=len(shown), alpha=combined.rules.alpha),
        tones=tones,
        headers={"i2": "I\N{SUPERSCRIPT TWO}"},
        formats={"i2": format_percent},
        filters=("rests on", "verdict", "average here", "cohorts", "where", "treatment", "cancer"),
        searchable=True,
        sources=(CLAIMS,),
    )


def _tone(text: str) -> str:
    return {**VERDICT_TONES, AGREE: "good", DISAGREE: "bad"}.get(text, "")
