"""Which contrast answers a claim: the widest of its design, compartment, treatment and cancer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stietime import names
from stietime.cohort.claims import reasons
from stietime.cohort.claims.evidence import ENVIRONMENTS_OF, IN_ONE_ENVIRONMENT, Evidence, Row
from stietime.cohort.claims.patient_groups import question_between_patients
from stietime.cohort.design.designs import AFTER_VS_BEFORE
from stietime.cohort.design.samples import RADIOTHERAPY
from stietime.cohort.design.treatment import IN_FIELD, OUT_OF_FIELD
from stietime.cohort.design.treatment_designs import BY_FIELD, field_name

if TYPE_CHECKING:
    from collections.abc import Iterable

PAN_CANCER: Final = "pan_cancer"
BETWEEN_PATIENTS: Final = "between_patients"


@dataclass(frozen=True)
class Choice:
    """The contrast that answers a claim, or the reason why none does.

    Parameters
    ----------
    contrast
        Its name.
    sign
        -1 where the claim is about its second arm.
    other_cancer
        Its cancers, where they are not the claim's.
    reason
        One of `reasons.REASONS` where there is no contrast.
    detail
        A remark.
    """

    contrast: str = ""
    sign: int = 1
    other_cancer: str = ""
    reason: str = ""
    detail: str = ""


def find_contrast(claim: Row, evidence: Evidence, *, of_other_cancers: bool = False) -> Choice:
    """Find the contrast that answers a claim.

    A contrast that the configuration names for the claim comes first. A claim about all cancers takes the
    contrast over all patients; one about a cancer takes that cancer's, and no other's unless that is asked.

    Parameters
    ----------
    claim
        A row of the claims.
    evidence
        As `gather_evidence` gives it.
    of_other_cancers
        Whether a cancer that the cohort does not hold is answered by those it holds.
    """
    if claim["claim_id"] in evidence.named:
        return _named_for(claim, evidence)
    design, sign = claim["design"], 1
    if design == BETWEEN_PATIENTS:
        question = question_between_patients(claim)
        if question.unanswered:
            return Choice(reason=question.unanswered, detail=claim["reference_arm"])
        design, sign = question.design, question.sign
    if not of_other_cancers and claim["cancer"] not in (PAN_CANCER, *evidence.cancers):
        have = _listed(evidence.cancers)
        return Choice(reason=reasons.OTHER_CANCER, detail=f"cancers of the cohort: {have}")
    options = _of_design(claim, design, evidence)
    if not options:
        return _no_design(claim, design, evidence)
    if design in IN_ONE_ENVIRONMENT:
        options, none = _of_treatment(claim, options)
        if none:
            return none
    return _of_cancer(claim, options, evidence, sign, of_other_cancers=of_other_cancers)


def _of_design(claim: Row, design: str, evidence: Evidence) -> list[Row]:
    """List the contrasts of a design; of tumours under radiotherapy whose field is known, lesions in it.

    Lesions out of the field ask another question, whether radiation acts at a distance.
    """
    offered = [row for row in evidence.offered if row["design"] == design]
    if design == AFTER_VS_BEFORE and claim["context"] == RADIOTHERAPY and claim["compartment"] == names.TIME:
        known = {row["contrast"]: row for row in evidence.offered if row["design"] == BY_FIELD}
        if field_name(names.TIME, IN_FIELD) in known:
            return [known[field_name(names.TIME, IN_FIELD)]]
        return [] if field_name(names.TIME, OUT_OF_FIELD) in known else offered
    return offered


def _named_for(claim: Row, evidence: Evidence) -> Choice:
    """Take the contrast that the configuration names for a claim, whatever the cancers of its patients."""
    named = evidence.named[claim["claim_id"]]
    options = [row for row in evidence.offered if row["contrast"] == named]
    if not options:
        return Choice(reason=reasons.DESIGN_NOT_IN_COHORT, detail=f"no samples for {named}")
    return _of_cancer(claim, options, evidence, 1, of_other_cancers=True)


def _of_treatment(claim: Row, options: list[Row]) -> tuple[list[Row], Choice | None]:
    """Keep the contrasts in the claim's compartment and after its treatment, or say that there is none."""
    options = [row for row in options if row["environment"] == claim["compartment"]]
    if not options:
        where = f"no samples in {claim['compartment']} for it"
        return [], Choice(reason=reasons.OTHER_COMPARTMENT, detail=where)
    treatments = _listed(row["treatment"] for row in options)
    options = [row for row in options if row["treatment"] == claim["context"]]
    if options:
        return options, None
    return [], Choice(reason=reasons.OTHER_TREATMENT, detail=f"treatments of the cohort: {treatments}")


def _no_design(claim: Row, design: str, evidence: Evidence) -> Choice:
    """Tell an environment that was not sampled from an arm that has no sample."""
    needed = ENVIRONMENTS_OF.get(design, (claim["compartment"],))
    missing = [where for where in needed if where not in evidence.environments]
    if missing:
        return Choice(reason=reasons.NO_ENVIRONMENT, detail=f"{design}: no sample of {', '.join(missing)}")
    return Choice(reason=reasons.DESIGN_NOT_IN_COHORT, detail=design)


def _of_cancer(
    claim: Row, options: list[Row], evidence: Evidence, sign: int, *, of_other_cancers: bool
) -> Choice:
    of_claim = [row for row in options if row["cancer"] == claim["cancer"]]
    if claim["cancer"] == PAN_CANCER or of_claim:
        return Choice(str((of_claim or options)[0]["contrast"]), sign)
    cancers = _listed(row["cancer"] for row in options)
    if not of_other_cancers:
        return Choice(reason=reasons.OTHER_CANCER, detail=f"cancers of the contrast: {cancers}")
    tested = options[0]["cancer"] or _listed(evidence.cancers)
    told = f"a claim about {claim['cancer']}, weighed in {tested}"
    return Choice(str(options[0]["contrast"]), sign, tested, detail=told)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values) - {""})) or "none"
