"""Why a claim has its verdict: a fixed list of reasons, each with a verdict and a class."""

from __future__ import annotations

from typing import Final, NamedTuple

from stietime import names

# not testable, in the order they are looked for
PROTEIN_ONLY: Final = "protein only"
NOT_TRANSCRIPTOMIC: Final = "not transcriptomic"
NEEDS_PROGNOSIS: Final = "needs prognosis"
NEEDS_TREATMENT_ARMS: Final = "needs treatment arms"
NEEDS_TUMOUR_GROUPS: Final = "needs groups of tumours"
COMPARES_CELLS: Final = "compares cells"
COMPARES_REGIONS: Final = "compares regions"
NO_DIRECTION: Final = "no direction given"
NEEDS_SECTIONS: Final = "needs tissue sections"
RATIO_NOT_COMPUTABLE: Final = "ratio not computable"
OTHER_SPECIES: Final = "other species"
OTHER_CANCER: Final = "other cancer"
NO_ENVIRONMENT: Final = "environment not sampled"
DESIGN_NOT_IN_COHORT: Final = "design not in cohort"
OTHER_COMPARTMENT: Final = "other compartment"
OTHER_TREATMENT: Final = "other treatment"
CELLS_NOT_CALLED: Final = "cells not called"
SET_NOT_SCORED: Final = "set not scored"
GENE_NOT_IN_DATA: Final = "gene not in data"
NOT_CAPTURED: Final = "not captured"
NOT_MEASURED: Final = "not measured"
NOT_SEEN: Final = "not seen"
TOO_FEW_PATIENTS: Final = "too few patients"
NO_VARIANCE: Final = "no variance"
# supported
SAME_DIRECTION: Final = "same direction"
# equivalent
EQUIVALENT: Final = "equivalent"
# contradicted
OPPOSITE_DIRECTION: Final = "opposite direction"
CHANGED: Final = "changed"
# inconclusive
CONFOUNDED: Final = "confounded"
NOT_SIGNIFICANT: Final = "not significant"
WITHIN_MARGIN: Final = "within the margin"
NOT_EQUIVALENT: Final = "neither changed nor equivalent"

# classes of what is not testable: what the data lack
CLASSES: Final = {
    "protein only": "the claim is about a protein or metabolite",
    "not transcriptomic": "the claim is about something that no count of mRNA holds",
    "direction": "the review gives no sign",
    "design": "the comparison is of a kind that is not made here",
    "sections": "tissue sections would be needed",
    "species": "no human sample",
    "cancer": "another cancer",
    "environment": "blood, tumour or normal tissue was not sampled, or not for this comparison",
    "arm": "one side of the comparison has no sample",
    "treatment": "another treatment",
    "platform": "the assay, the panel or the preparation does not catch it",
    "cells": "the cells were not called, or too few were seen",
    "patients": "too few patients, or all have the same value",
}


class Reason(NamedTuple):
    """The verdict that a reason stands for, its class (empty where the claim was weighed) and its meaning."""

    verdict: str
    why: str
    meaning: str


def _not_testable(why: str, meaning: str) -> Reason:
    return Reason(names.NOT_TESTABLE, why, meaning)


REASONS: Final = {
    PROTEIN_ONLY: _not_testable(
        "protein only", "the claim is about a protein or metabolite; mRNA does not show it"
    ),
    NOT_TRANSCRIPTOMIC: _not_testable(
        "not transcriptomic", "the claim is about something that mRNA does not hold"
    ),
    NEEDS_PROGNOSIS: _not_testable(
        "design", "the claim compares patients by survival, prognosis or progression, which no contrast does"
    ),
    NEEDS_TREATMENT_ARMS: _not_testable(
        "design",
        "the claim compares treatments or schedules; a contrast of the configuration may answer it",
    ),
    NEEDS_TUMOUR_GROUPS: _not_testable(
        "design",
        "the claim compares kinds of tumours or hosts; a contrast of the configuration may answer it",
    ),
    COMPARES_CELLS: _not_testable(
        "design", "the claim compares cells with other cells of the same samples, which no contrast does"
    ),
    COMPARES_REGIONS: _not_testable(
        "sections", "the claim compares regions of tissue, which dissociated cells do not show"
    ),
    NO_DIRECTION: _not_testable("direction", "the review gives no sign"),
    NEEDS_SECTIONS: _not_testable("sections", "the structure can only be seen in tissue sections"),
    RATIO_NOT_COMPUTABLE: _not_testable(
        "cells", "the claim is about a ratio or trajectory whose parts are not counted"
    ),
    OTHER_SPECIES: _not_testable("species", "the cohort holds no human sample"),
    OTHER_CANCER: _not_testable(
        "cancer", "the cohort, or this contrast, has no patient with the claim's cancer"
    ),
    NO_ENVIRONMENT: _not_testable(
        "environment", "the cohort has no sample of an environment that the claim compares"
    ),
    DESIGN_NOT_IN_COHORT: _not_testable("arm", "the sample sheet does not allow this contrast"),
    OTHER_COMPARTMENT: _not_testable(
        "environment", "the sample sheet allows this contrast only in the other compartment"
    ),
    OTHER_TREATMENT: _not_testable("treatment", "no patient of this contrast had the claim's treatment"),
    CELLS_NOT_CALLED: _not_testable(
        "cells", "no cell of the cohort was called as this type, and its set was not scored"
    ),
    SET_NOT_SCORED: _not_testable("platform", "too few of the set's genes are in the data"),
    GENE_NOT_IN_DATA: _not_testable("platform", "the gene is in no sample"),
    NOT_CAPTURED: _not_testable(
        "platform", "granulocytes of this kind were lost in one side of the contrast, or in both"
    ),
    NOT_MEASURED: _not_testable("cells", "no patient has enough captured cells of the parent on both sides"),
    NOT_SEEN: _not_testable("cells", "not one cell or count was seen, which is no evidence of absence"),
    TOO_FEW_PATIENTS: _not_testable("patients", "fewer pairs or patients than `min_pairs`"),
    NO_VARIANCE: _not_testable("patients", "all patients have the same value"),
    SAME_DIRECTION: Reason(names.SUPPORTED, "", "the effect has the claim's sign and q is at most `alpha`"),
    EQUIVALENT: Reason(
        names.EQUIVALENT,
        "",
        "claimed unchanged, and the effect lies within the equivalence margin (TOST p at most `alpha`)",
    ),
    OPPOSITE_DIRECTION: Reason(
        names.CONTRADICTED, "", "the effect has the opposite sign and q is at most `alpha`"
    ),
    CHANGED: Reason(
        names.CONTRADICTED, "", "claimed unchanged, but q is at most `alpha` and it is not equivalent"
    ),
    CONFOUNDED: Reason(
        names.INCONCLUSIVE,
        "",
        "the arms of the contrast share no batch, chemistry or study, which may be all that differs",
    ),
    NOT_SIGNIFICANT: Reason(names.INCONCLUSIVE, "", "q is above `alpha`"),
    WITHIN_MARGIN: Reason(
        names.INCONCLUSIVE,
        "",
        "q is above `alpha`, and the effect lies within the equivalence margin: if any, it is small",
    ),
    NOT_EQUIVALENT: Reason(names.INCONCLUSIVE, "", "claimed unchanged, neither shown to change nor to stay"),
}
