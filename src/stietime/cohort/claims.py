"""Each claim of the reviews against the contrasts of a cohort: one verdict for every claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime.cohort import verdicts
from stietime.cohort.composition import LEVEL_STATE, RATIOS, of_immune
from stietime.cohort.conflicts import conflict_groups
from stietime.cohort.contrasts import GENE_MISSING
from stietime.cohort.designs import AFTER_VS_BEFORE
from stietime.cohort.measures import CELL_FRACTION, GENE_EXPRESSION, SIGNATURE
from stietime.cohort.samples import CANCER, SPECIES
from stietime.cohort.signatures import DERIVED_SETS, SPATIAL_SETS
from stietime.cohort.verdicts import Margins, judge

if TYPE_CHECKING:
    from collections.abc import Collection

PAN_CANCER: Final = "pan_cancer"
SUPPORTED_DESIGNS: Final = ("stie_vs_time", "time_vs_normal", "patient_vs_donor_blood", AFTER_VS_BEFORE)
NUMBERS: Final = ("estimate", "ci_low", "ci_high", "p", "q", "n_patients")
HUMAN: Final = "human"

Row = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """What a cohort offers to test claims with.

    Parameters
    ----------
    rows
        The table of contrasts as one dictionary per (contrast, kind, entity).
    offered
        One row per contrast in the order of the table: contrast, design, environment, cancer, treatment.
    states
        Entities that were called as states.
    cancers
        Cancers of the cohort's patients.
    human
        Whether the cohort holds human samples.
    """

    rows: dict[tuple[str, str, str], Row]
    offered: list[Row]
    states: frozenset[str]
    cancers: frozenset[str]
    human: bool


@dataclass(frozen=True)
class Finding:
    """The reason for a verdict, the row it rests on if there is one, and a remark."""

    reason: str
    row: Row | None = None
    detail: str = ""


def gather_evidence(contrasts: pd.DataFrame, composition: pd.DataFrame, samples: pd.DataFrame) -> Evidence:
    """Index the tables of a cohort.

    Parameters
    ----------
    contrasts
        As `contrasts.compare` gives it.
    composition
        As `count_entities` gives it.
    samples
        As `name_cohort` gives it.
    """
    keys = ["contrast", "design", "environment", "cancer", "treatment"]
    text = contrasts[keys].fillna("").astype(str)
    filled = contrasts.fillna({"note": "", "parent": ""})
    records = [{str(k): v for k, v in row.items()} for row in filled.to_dict("records")]
    rows = {(row["contrast"], row["kind"], row["entity"]): row for row in records}
    species = {value.casefold() for value in samples[SPECIES]}
    return Evidence(
        rows=rows,
        offered=[{str(k): v for k, v in row.items()} for row in text.drop_duplicates().to_dict("records")],
        states=frozenset(composition.loc[composition["level"] == LEVEL_STATE, "entity"]),
        cancers=frozenset(samples[CANCER]) - {""},
        human=bool(species & {HUMAN, "homo sapiens", ""}),
    )


def weigh(claims: pd.DataFrame, evidence: Evidence, *, alpha: float, margins: Margins) -> pd.DataFrame:
    """Give every claim one verdict.

    Parameters
    ----------
    claims
        The claims of the reviews, one row each.
    evidence
        As `gather_evidence` gives it.
    alpha
        Level for q (directions) and for the p of the equivalence test (unchanged).
    margins
        Equivalence margins.

    Returns
    -------
    One row per claim, in the order given: claim_id, verdict, the numbers of the contrast it rests on,
    reason (one of `verdicts.REASONS`), detail, contrast, entity_tested, kind_tested, conflict_group (the
    claims that the reviews contradict each other in), and the text of the claim.
    """
    records = [{str(k): v for k, v in claim.items()} for claim in claims.to_dict("records")]
    found = [_weigh_one(claim, evidence, alpha, margins) for claim in records]
    results = pd.DataFrame([_result(finding) for finding in found], index=claims.index)
    results["conflict_group"] = conflict_groups(claims)
    results.insert(0, "claim_id", claims["claim_id"])
    return pd.concat([results, claims.drop(columns="claim_id")], axis=1)


def _result(finding: Finding) -> Row:
    row = finding.row or {}
    numbers = {name: row.get(name, np.nan) for name in NUMBERS}
    numbers["n_patients"] = int(row.get("n_patients", 0))
    return {
        "verdict": verdicts.REASONS[finding.reason][0],
        **numbers,
        "reason": finding.reason,
        "detail": finding.detail,
        "contrast": row.get("contrast", ""),
        "entity_tested": row.get("entity", ""),
        "kind_tested": row.get("kind", ""),
    }


def _weigh_one(claim: Row, evidence: Evidence, alpha: float, margins: Margins) -> Finding:
    closed = _closed(claim) or _closed_by_cohort(claim, evidence)
    if closed:
        return closed
    contrast = find_contrast(claim, evidence)
    if isinstance(contrast, Finding):
        return contrast
    row, remark = find_row(claim, contrast, evidence)
    if row is None:
        return Finding(remark, detail=f"in the contrast {contrast}")
    reason = judge(claim["direction"], row, alpha=alpha, margin=margins.of(row["kind"]))
    return Finding(reason, row, "; ".join(filter(None, [remark, row["note"]])))


def _closed(claim: Row) -> Finding | None:
    """Say why no cohort could test a claim."""
    entity, testable, design = claim["entity_id"], claim["testable"], claim["design"]
    unsigned = claim["direction"] not in (verdicts.UP, verdicts.DOWN, verdicts.UNCHANGED)
    reasons = {
        verdicts.PROTEIN_ONLY: testable == "protein_or_metabolite_only",
        verdicts.NOT_TRANSCRIPTOMIC: testable == "not_transcriptomic",
        verdicts.DESIGN_NOT_SUPPORTED: design not in SUPPORTED_DESIGNS,
        verdicts.NO_DIRECTION: unsigned,
        verdicts.NEEDS_SECTIONS: entity in SPATIAL_SETS,
        verdicts.RATIO_NOT_COMPUTABLE: entity in DERIVED_SETS and entity not in RATIOS,
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    detail = design if reason == verdicts.DESIGN_NOT_SUPPORTED else ""
    return Finding(reason, detail=detail) if reason else None


def _closed_by_cohort(claim: Row, evidence: Evidence) -> Finding | None:
    if not evidence.human:
        return Finding(verdicts.OTHER_SPECIES)
    if claim["cancer"] not in (PAN_CANCER, *evidence.cancers):
        have = ", ".join(sorted(evidence.cancers)) or "none named"
        return Finding(verdicts.OTHER_CANCER, detail=f"cancers of the cohort: {have}")
    return None


def find_contrast(claim: Row, evidence: Evidence) -> str | Finding:
    """Find the contrast that answers a claim: the widest with its design, compartment, treatment and cancer.

    A claim about all cancers takes the contrast over all patients; one about a cancer takes that cancer's.

    Parameters
    ----------
    claim
        A row of the claims.
    evidence
        As `gather_evidence` gives it.

    Returns
    -------
    The contrast's name, or the finding that there is none, with its reason.
    """
    options = [row for row in evidence.offered if row["design"] == claim["design"]]
    if not options:
        return Finding(verdicts.DESIGN_NOT_IN_COHORT, detail=claim["design"])
    if claim["design"] == AFTER_VS_BEFORE:
        options = [row for row in options if row["environment"] == claim["compartment"]]
        if not options:
            return Finding(verdicts.OTHER_COMPARTMENT, detail=f"no samples in {claim['compartment']} for it")
        treatments = _named(row["treatment"] for row in options)
        options = [row for row in options if row["treatment"] == claim["context"]]
        if not options:
            return Finding(verdicts.OTHER_TREATMENT, detail=f"treatments of the cohort: {treatments}")
    if claim["cancer"] != PAN_CANCER:
        cancers = _named(row["cancer"] for row in options)
        options = [row for row in options if row["cancer"] == claim["cancer"]]
        if not options:
            return Finding(verdicts.OTHER_CANCER, detail=f"cancers of the contrast: {cancers}")
    return str(options[0]["contrast"])


def _named(values: Collection[str] | Any) -> str:  # noqa: ANN401 - any iterable
    return ", ".join(sorted(set(values) - {""})) or "none"


def find_row(claim: Row, contrast: str, evidence: Evidence) -> tuple[Row | None, str]:
    """Find the row of a contrast that stands for a claim's entity.

    A fraction of cells is that of a called state in its parent; else of the type among immune cells; else
    of the lineage among all cells. A state without a call is represented by the mean score of its set in
    its parent, and the remark says so. A ratio has no such stand-in.

    Parameters
    ----------
    claim
        A row of the claims.
    contrast
        Name of a contrast.
    evidence
        As `gather_evidence` gives it.

    Returns
    -------
    The row and a remark; without a row the remark is the reason.
    """
    entity, testable = claim["entity_id"], claim["testable"]
    if testable == GENE_EXPRESSION:
        row = evidence.rows.get((contrast, GENE_EXPRESSION, entity))
        missing = row is None or row["note"].endswith(GENE_MISSING)
        return (None, verdicts.GENE_NOT_IN_DATA) if missing else (row, "pseudobulk of all kept cells")
    score = evidence.rows.get((contrast, SIGNATURE, entity))
    if testable == SIGNATURE:
        return (score, f"mean score in {score['parent']}") if score else (None, verdicts.SET_NOT_SCORED)
    candidates = [entity] if entity in evidence.states else [of_immune(entity), entity]
    for name in candidates:
        row = evidence.rows.get((contrast, CELL_FRACTION, name))
        if row is not None:
            return row, f"fraction of {row['parent']}"
    if score:
        return score, f"no call for it: mean score in {score['parent']} in place of a fraction"
    return None, verdicts.RATIO_NOT_COMPUTABLE if entity in RATIOS else verdicts.CELLS_NOT_CALLED
