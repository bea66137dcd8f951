"""Each claim of the reviews against the contrasts of a cohort: one verdict for every claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cohort.claims import reasons, verdicts
from stietime.cohort.claims.claim_contrasts import find_contrast
from stietime.cohort.claims.conflicts import conflict_groups
from stietime.cohort.claims.evidence import ENVIRONMENTS_OF, Evidence, Row
from stietime.cohort.claims.verdicts import Margins, judge, power_for
from stietime.cohort.composition.composition import RATIOS, of_immune
from stietime.cohort.testing import contrasts
from stietime.cohort.testing.contrasts import GENE_MISSING
from stietime.cohort.testing.measures import CELL_FRACTION, GATED_FRACTION, GENE_EXPRESSION, SIGNATURE
from stietime.cohort.testing.signatures import DERIVED_SETS, SPATIAL_SETS

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS: Final = ("estimate", "ci_low", "ci_high", "p", "q", "n_patients")
WEIGHED: Final = (contrasts.TESTED, contrasts.CONFOUNDED)
BETWEEN_CELLS: Final = "between_cells"
BETWEEN_REGIONS: Final = "between_regions"


@dataclass(frozen=True)
class Finding:
    """The reason for a verdict, what it rests on, and a remark.

    Parameters
    ----------
    reason
        One of `reasons.REASONS`.
    row
        The row of contrasts it rests on.
    detail
        A remark.
    sign
        -1 where the claim is about the second arm of the contrast.
    other_cancer
        Cancers of the patients, where they are not the claim's.
    """

    reason: str
    row: Row | None = None
    detail: str = ""
    sign: int = 1
    other_cancer: str = ""


def weigh(
    claims: pd.DataFrame,
    evidence: Evidence,
    *,
    alpha: float,
    margins: Margins,
    of_other_cancers: bool = False,
) -> pd.DataFrame:
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
    of_other_cancers
        Whether a claim about a cancer that the cohort does not hold is weighed by the cancers it holds.

    Returns
    -------
    One row per claim, in the order given: claim_id, verdict, the numbers of the contrast it rests on,
    reason (one of `reasons.REASONS`), detail, contrast, entity_tested, kind_tested, why (the class of what is
    not testable), n_pairs, what the test could show (equivalence_margin, p_equivalence, power, detectable),
    expected (the claim's direction for the first arm of the contrast), other_cancer, conflict_group (the
    claims that the reviews contradict each other in), and the text of the claim.
    """
    records = [{str(k): v for k, v in claim.items()} for claim in claims.to_dict("records")]
    found = [
        _weigh_one(claim, evidence, alpha, margins, of_other_cancers=of_other_cancers) for claim in records
    ]
    rows = [_result(*pair, alpha, margins) for pair in zip(records, found, strict=True)]
    results = pd.DataFrame(rows, index=claims.index)
    results["conflict_group"] = conflict_groups(claims)
    results.insert(0, "claim_id", claims["claim_id"])
    return pd.concat([results, claims.drop(columns="claim_id")], axis=1)


def _result(claim: Row, finding: Finding, alpha: float, margins: Margins) -> Row:
    row = finding.row or {}
    numbers = {name: row.get(name, np.nan) for name in NUMBERS}
    numbers["n_patients"] = int(row.get("n_patients", 0))
    reason = reasons.REASONS[finding.reason]
    expected = _expected(claim["direction"], finding.sign) if row else ""
    shows = power_for(expected, row, alpha=alpha, margin=margins.of(row["kind"])) if row else None
    return {
        "verdict": reason.verdict,
        **numbers,
        "reason": finding.reason,
        "detail": finding.detail,
        "contrast": row.get("contrast", ""),
        "entity_tested": row.get("entity", ""),
        "kind_tested": row.get("kind", ""),
        "why": reason.why,
        "n_pairs": int(row.get("n_pairs", 0)),
        "equivalence_margin": shows.margin if shows else np.nan,
        "p_equivalence": shows.p_equivalence if shows else np.nan,
        "power": shows.power if shows else np.nan,
        "detectable": shows.detectable if shows else np.nan,
        "expected": expected,
        "other_cancer": finding.other_cancer,
    }


def _expected(direction: str, sign: int) -> str:
    """Turn the direction of a claim into that of the first arm of its contrast."""
    turned = {verdicts.UP: verdicts.DOWN, verdicts.DOWN: verdicts.UP}
    return direction if sign > 0 else turned.get(direction, direction)


def _weigh_one(
    claim: Row, evidence: Evidence, alpha: float, margins: Margins, *, of_other_cancers: bool
) -> Finding:
    closed = _closed(claim, evidence)
    if closed:
        return Finding(closed, detail=claim["reference_arm"] if claim["design"] == BETWEEN_CELLS else "")
    if not evidence.human:
        return Finding(reasons.OTHER_SPECIES)
    choice = find_contrast(claim, evidence, of_other_cancers=of_other_cancers)
    if choice.reason:
        return Finding(choice.reason, detail=choice.detail)
    row, remark = find_row(claim, choice.contrast, evidence)
    if row is None:
        return Finding(remark, detail=f"in the contrast {choice.contrast}")
    expected = _expected(claim["direction"], choice.sign)
    reason = judge(expected, row, alpha=alpha, margin=margins.of(row["kind"]))
    if reason == reasons.NOT_MEASURED and _was_lost(row, evidence):
        reason = reasons.NOT_CAPTURED
    parts = [choice.detail, remark, row["note"], _where_it_moves(claim, choice.contrast, evidence, alpha)]
    return Finding(reason, row, "; ".join(filter(None, parts)), choice.sign, choice.other_cancer)


def _closed(claim: Row, evidence: Evidence) -> str:
    """Give the reason why no cohort could test a claim, or "" if one could."""
    entity, testable, design = claim["entity_id"], claim["testable"], claim["design"]
    unsigned = claim["direction"] not in (verdicts.UP, verdicts.DOWN, verdicts.UNCHANGED)
    unnamed = claim["claim_id"] not in evidence.named
    found = {
        reasons.PROTEIN_ONLY: testable == "protein_or_metabolite_only",
        reasons.NOT_TRANSCRIPTOMIC: testable == "not_transcriptomic",
        reasons.COMPARES_CELLS: design == BETWEEN_CELLS and unnamed,
        reasons.COMPARES_REGIONS: design == BETWEEN_REGIONS and unnamed,
        reasons.NO_DIRECTION: unsigned,
        reasons.NEEDS_SECTIONS: entity in SPATIAL_SETS,
        reasons.RATIO_NOT_COMPUTABLE: entity in DERIVED_SETS and entity not in RATIOS,
    }
    return next((reason for reason, holds in found.items() if holds), "")


def _was_lost(row: Row, evidence: Evidence) -> bool:
    where = ENVIRONMENTS_OF.get(row["design"], (row["environment"],))
    return any((row["entity"], environment) in evidence.lost for environment in where)


def _where_it_moves(claim: Row, contrast: str, evidence: Evidence, alpha: float) -> str:
    """Tell in which of the cell types that make a gene it moves."""
    if claim["testable"] != GENE_EXPRESSION:
        return ""
    rows = evidence.regulators.get((contrast, claim["entity_id"]), [])
    made = [row for row in rows if str(row["makes_it"]).lower() == "true" and row["q"] == row["q"]]
    if not made:
        return ""
    moved = [row for row in made if row["q"] <= alpha]
    told = [
        f"{'up' if row['estimate'] > 0 else 'down'} in {row['cell_type']} (q {row['q']:.2g}, "
        f"{row['n_patients']:.0f} patients)"
        for row in sorted(moved, key=lambda row: row["q"])
    ]
    return f"of {len(made)} cell types that make it: {', '.join(told) or 'moves in none'}"


def find_row(claim: Row, contrast: str, evidence: Evidence) -> tuple[Row | None, str]:
    """Find the row of a contrast that stands for a claim's entity.

    A fraction of cells is that of a called state in its parent; else of the type among immune cells; else
    of the lineage among all cells. A state without a call is represented by the mean score of its set in
    its parent. Where neither can be tested because the parent is rare, the subset is counted among immune
    cells. The remark says which. A ratio has no such stand-in.

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
        return (None, reasons.GENE_NOT_IN_DATA) if missing else (row, "pseudobulk of all kept cells")
    score = evidence.rows.get((contrast, SIGNATURE, entity))
    if testable == SIGNATURE:
        return (score, f"mean score in {score['parent']}") if score else (None, reasons.SET_NOT_SCORED)
    options = list(_fractions(entity, contrast, evidence))
    if not options:
        return None, reasons.RATIO_NOT_COMPUTABLE if entity in RATIOS else reasons.CELLS_NOT_CALLED
    first, remark = options[0]
    if first["status"] in WEIGHED:
        return first, remark
    gate = evidence.rows.get((contrast, GATED_FRACTION, of_immune(entity)))
    if gate is None or gate["status"] not in WEIGHED:
        return first, remark
    how = "called" if entity in evidence.states else "a score above 0"
    stand_in = f"among {gate['parent']} cells ({how}), which moves with its parent too"
    return gate, f"in place of what cannot be tested ({remark}: {first['status']}), its cells {stand_in}"


def _fractions(entity: str, contrast: str, evidence: Evidence) -> Iterator[tuple[Row, str]]:
    for name in [entity] if entity in evidence.states else [of_immune(entity), entity]:
        row = evidence.rows.get((contrast, CELL_FRACTION, name))
        if row is not None:
            yield row, f"fraction of {row['parent']}"
    score = evidence.rows.get((contrast, SIGNATURE, entity))
    if score:
        yield score, f"no call for it: mean score in {score['parent']} in place of a fraction"


def entities_of(claims: pd.DataFrame) -> dict[str, list[str]]:
    """List what the claims are about, by kind of contrast, with every stand-in.

    Parameters
    ----------
    claims
        The claims of the reviews.
    """
    about = {kind: sorted(part.unique()) for kind, part in claims.groupby("testable")["entity_id"]}
    cells, scores = about.get(CELL_FRACTION, []), about.get(SIGNATURE, [])
    return {
        CELL_FRACTION: [*cells, *map(of_immune, cells)],
        GATED_FRACTION: [*map(of_immune, cells)],
        SIGNATURE: sorted({*cells, *scores}),
        GENE_EXPRESSION: about.get(GENE_EXPRESSION, []),
    }
