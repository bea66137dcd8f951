"""What the claims that compare patients ask for, by the words of their reference arm."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from stietime.cohort.claims import reasons
from stietime.cohort.design.treatment_designs import CHANGE_RESPONDER_VS_NON, RESPONDER_VS_NON

# these words of an entity mean a change under treatment, not a level
CHANGE_WORDS: Final = ("early increase", "shortly after")

# groups of responders: 1 where the claim is about responders, -1 where it is about the others
RESPONSE: Final = {"non-responders": 1, "ineffective therapy": 1, "responders": -1}

_PROGNOSIS: Final = (
    *("patients with worse survival", "patients with better tumour control", "patients with worse outcome"),
    *("poor prognosis", "poor PFS", "worse survival", "non-progressing patients", "no hyperprogression"),
)
_TREATMENT: Final = (
    *("untreated", "untreated or single agent", "single agent or untreated", "radiotherapy or untreated"),
    *("radiotherapy alone", "RT alone", "no radiotherapy", "single modality", "22 Gy alone"),
    *("PD-1 inhibitor alone", "PD-L1 inhibitor alone", "no LDRT", "no LDRT or > 1 Gy", "> 1 Gy", "SBRT"),
    *(
        "lower or fractionated dose",
        "4\N{EN DASH}12 Gy fractions",
        "15 Gy/5F",
        "other fractionations of 15 Gy",
    ),
    *("less effective schedules", "fractionated dose", "conventional dose rate"),
)
_TUMOURS: Final = (
    *("cold (excluded) tumours", "other tumours", "low-exhaustion samples", "IDO-deficient host"),
    *("low-Artemin tumours", "primary brain tumours", "brain metastases from distant organs"),
    *("no liver metastasis", "no rupture"),
)
# reference arms of the claims between patients that no contrast of the sheet answers
UNANSWERED: Final = {
    **dict.fromkeys(_PROGNOSIS, reasons.NEEDS_PROGNOSIS),
    **dict.fromkeys(_TREATMENT, reasons.NEEDS_TREATMENT_ARMS),
    **dict.fromkeys(_TUMOURS, reasons.NEEDS_TUMOUR_GROUPS),
}


class Question(NamedTuple):
    """The design that answers a claim, and the sign of its first arm for the claim; or why none does."""

    design: str
    sign: int
    unanswered: str = ""


def question_between_patients(claim: dict[str, Any]) -> Question:
    """Tell what a claim that compares patients asks for.

    A rule of words, no reading: responders against others by `RESPONSE`; a change of theirs if the entity
    says so (`CHANGE_WORDS`); everything else by `UNANSWERED`, and what is in neither as groups of tumours.

    Parameters
    ----------
    claim
        A row of the claims with the design `between_patients`.
    """
    arm = claim["reference_arm"]
    if arm not in RESPONSE:
        return Question("", 1, UNANSWERED.get(arm, reasons.NEEDS_TUMOUR_GROUPS))
    change = any(words in claim["entity_as_printed"] for words in CHANGE_WORDS)
    return Question(CHANGE_RESPONDER_VS_NON if change else RESPONDER_VS_NON, RESPONSE[arm])
