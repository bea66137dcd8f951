"""Each claim of the reviews against several cohorts: the combined verdict, and each cohort's own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.claims import verdicts
from stietime.cohort.claims.reasons import REASONS
from stietime.cohort.design.samples import CANCER
from stietime.cohort.meta_analysis.tables import COMBINED, ENTITY, METHOD, NOT_TESTABLE
from stietime.cohort.testing import contrasts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.cohort.claims.verdicts import Margins
    from stietime.cohort.meta_analysis.questions import Cohort, Question

PAN_CANCER: Final = "pan_cancer"
NO_SPREAD: Final = 1e-300  # of cohorts with equal estimates
NUMBERS: Final = (
    *("estimate", "ci_low", "ci_high", "p", "q", "tau2", "i2", "p_heterogeneity"),
    *(
        "prediction_low",
        "prediction_high",
        "common_estimate",
        "common_low",
        "common_high",
        "common_p",
        "common_q",
    ),
)
COUNTS: Final = ("n_cohorts", "n_patients", "n_up")
TEXTS: Final = ("contrast", "entity_tested", "kind_tested", "reason", "detail")
AGREE: Final = "agree"
DISAGREE: Final = "disagree"

Row = dict[str, Any]


def combine_claims(
    claims: pd.DataFrame,
    cohorts: Sequence[Cohort],
    questions: Sequence[Question],
    combined: pd.DataFrame,
    *,
    alpha: float,
    margins: Margins,
    over_cancers: bool = False,
) -> pd.DataFrame:
    """Give every claim the verdict of all cohorts together, with the verdict of each beside it.

    A claim rests on the combined row of the contrast and the entity that most of the cohorts weighed it by.
    It is judged by the rules of one cohort. Where one cohort alone can test it, the verdict is that
    cohort's; where none can, that of the cohort that came nearest to a test.

    Parameters
    ----------
    claims
        The claims of the reviews.
    cohorts
        The cohorts with their own verdicts.
    questions
        As `find_questions` lists them.
    combined
        As `combine_rows` gives it.
    alpha, margins
        As `claims.weigh` takes them.
    over_cancers
        Whether a claim about one cancer that a cohort can test is weighed over the patients of all cancers.

    Returns
    -------
    One row per claim in the order given: claim_id, verdict, reason, detail, status (combined, one cohort, not
    testable), the numbers, the contrast and entity it rests on, verdict_here (the same rules on the average
    of these very cohorts), how many cohorts gave which verdict, whether they agree, `verdict:<cohort>` and
    `reason:<cohort>`, and the text of the claim.
    """
    own = {cohort.name: _by_claim(cohort.claims) for cohort in cohorts}
    rows = {tuple(row[key] for key in ENTITY): row for row in _records(combined)}
    results = []
    for claim in _records(claims):
        verdicts_of = {name: of[claim["claim_id"]] for name, of in own.items()}
        row = _row_of(claim, verdicts_of, questions, rows, over_cancers=over_cancers)
        result = _weigh(claim, row, verdicts_of, alpha, margins)
        results.append(result | _agreement(verdicts_of))
    table = pd.DataFrame(results, index=claims.index)
    table.insert(0, "claim_id", claims["claim_id"])
    return pd.concat([table, claims.drop(columns="claim_id")], axis=1)


def _by_claim(claims: pd.DataFrame) -> dict[str, Row]:
    text = claims.fillna(dict.fromkeys(TEXTS, ""))
    return {row["claim_id"]: row for row in _records(text)}


def _records(frame: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _row_of(
    claim: Row,
    own: dict[str, Row],
    questions: Sequence[Question],
    rows: dict[Any, Row],
    *,
    over_cancers: bool,
) -> Row | None:
    """Find the combined row that the cohorts weighed a claim by, that of most of them if several."""
    votes = Counter((row["kind_tested"], row["entity_tested"]) for row in own.values() if row["contrast"])
    found = []
    for tested, _ in votes.most_common():
        used = {
            name: row["contrast"]
            for name, row in own.items()
            if row["contrast"] and (row["kind_tested"], row["entity_tested"]) == tested
        }
        fits = _fits_all if over_cancers and claim["cancer"] != PAN_CANCER else _fits
        names_of = [question.name for question in questions if fits(claim, question, used)]
        found += [rows[(name, *tested)] for name in names_of if (name, *tested) in rows][:1]
    return max(found, key=lambda row: row["n_cohorts"], default=None)


def _fits(claim: Row, question: Question, used: dict[str, str]) -> bool:
    """Say whether a question is what the cohorts asked, about the claim's cancer."""
    return used.items() <= question.members.items() and claim["cancer"] in (PAN_CANCER, question.cancer)


def _fits_all(_claim: Row, question: Question, used: dict[str, str]) -> bool:
    """Say whether a question is what the cohorts asked but for the cancer, over all cancers."""
    asked = {name: _without_cancer(contrast) for name, contrast in used.items()}
    members = {name: _without_cancer(contrast) for name, contrast in question.members.items()}
    return _without_cancer(question.name) == question.name and asked.items() <= members.items()


def _without_cancer(contrast: str) -> str:
    return ";".join(part for part in contrast.split(";") if not part.startswith(f"{CANCER}="))


def _weigh(claim: Row, row: Row | None, own: dict[str, Row], alpha: float, margins: Margins) -> Row:
    status = row["status"] if row else NOT_TESTABLE
    detail, here = (row["note"] if row else ""), ""
    if row is not None and status != NOT_TESTABLE:
        margin = margins.of(row["kind"])
        tested = row | {"status": contrasts.CONFOUNDED if row["n_confounded"] else contrasts.TESTED}
        direction = _direction(claim, own)
        reason = verdicts.judge(direction, _wider(tested, margin), alpha=alpha, margin=margin)
        if status == COMBINED:
            fixed = {"estimate": row["common_estimate"], "se": row["common_se"], "df": np.inf}
            here = verdicts.judge(
                direction, tested | fixed | {"q": row["common_q"]}, alpha=alpha, margin=margin
            )
        elif own[row["cohorts"]]["contrast"]:
            reason = own[row["cohorts"]]["reason"]
    else:
        order = list(REASONS)
        nearest = max(own, key=lambda name: order.index(own[name]["reason"]))
        reason = own[nearest]["reason"]
        detail = "; ".join(
            filter(None, [f"nearest to a test: {nearest}", str(own[nearest]["detail"]), detail])
        )
    texts = {"contrast": "contrast", "entity_tested": "entity", "kind_tested": "kind", "cohorts": "cohorts"}
    return {
        "verdict": _verdict(reason),
        "reason": reason,
        "status": status,
        **{name: int(row[name]) if row else 0 for name in COUNTS},
        **{name: row[name] if row else np.nan for name in NUMBERS},
        "verdict_here": _verdict(here) if here else "",
        "detail": detail,
        **{name: row[key] if row else "" for name, key in texts.items()},
    }


def _wider(row: Row, margin: float) -> Row:
    """Give a combined row the standard error and df that show less equivalence; q is of the larger p."""
    if row["method"] != METHOD:
        return row
    pairs = ((max(row["se"], NO_SPREAD), row["df"]), (row["se_normal"], np.inf))
    se, df = max(pairs, key=lambda pair: verdicts.equivalence_p(row["estimate"], pair[0], pair[1], margin))
    return row | {"se": se, "df": df}


def _verdict(reason: str) -> str:
    return REASONS[reason][0]


def _direction(claim: Row, own: dict[str, Row]) -> str:
    """Give the direction that is expected of the first arm, as the cohorts' tables tell it where they do."""
    told = [
        row["expected"] for row in own.values() if isinstance(row.get("expected"), str) and row["expected"]
    ]
    return str(told[0] if told else claim["direction"])


def _agreement(own: dict[str, Row]) -> Row:
    """Count the cohorts' own verdicts, and say whether those that decided agree."""
    counts = Counter(row["verdict"] for row in own.values())
    decided = {name: n for name, n in counts.items() if name not in (names.INCONCLUSIVE, names.NOT_TESTABLE)}
    result: Row = {f"n_{verdict.replace(' ', '_')}": counts[verdict] for verdict in names.VERDICTS}
    several = sum(decided.values()) > 1
    result["cohorts_agree"] = DISAGREE if len(decided) > 1 else AGREE if several else ""
    for name, row in own.items():
        result |= {f"verdict:{name}": row["verdict"], f"reason:{name}": row["reason"]}
    return result
