"""Options of the contrasts between patients."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from stietime.settings.base import Section

BUILT_IN: Final = (
    *("stie_vs_time", "time_vs_normal", "patient_vs_donor_blood", "after_vs_before"),
    *("responder_vs_non", "responder_vs_non_after", "change_responder_vs_non"),
)
Value = str | int | float
Design = Literal[
    "",
    "stie_vs_time",
    "time_vs_normal",
    "patient_vs_donor_blood",
    "after_vs_before",
    "responder_vs_non",
    "change_responder_vs_non",
]
Conditions = dict[str, Value | tuple[Value, ...]]


class DifferenceChoice(Section):
    """A difference within patients that is taken from another."""

    first: Annotated[Conditions, Field(min_length=1)]
    """Conditions of the first arm."""
    second: Annotated[Conditions, Field(min_length=1)]
    """Conditions of the second arm."""


class Answers(Section):
    """Which claims of the reviews a contrast of your own answers; up means higher in its first arm."""

    design: Design = ""
    """Design of the claims that it answers, such as `after_vs_before`."""
    environment: Literal["", "STIE", "TIME"] = ""
    """Compartment of these claims; where empty, that of all its samples."""
    treatment: str = ""
    """Treatment of these claims: radiotherapy, immunotherapy or chemo_targeted_combined."""
    claims: tuple[str, ...] = ()
    """Single claims that it answers, by their `claim_id`, whatever they ask for."""


class ContrastChoice(Section):
    """A contrast of your own: two arms chosen by conditions on columns of the sample sheet."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
    """Name of the contrast in tables and reports."""
    first: Annotated[Conditions, Field(min_length=1)]
    """Conditions of the first arm: columns, each with a value, values or limits such as `>= 8`."""
    second: Annotated[Conditions, Field(min_length=1)]
    """Conditions of the second arm; an estimate above 0 means higher in the first."""
    paired: bool = True
    """Whether patients are compared with themselves, or as two groups."""
    minus: DifferenceChoice | None = None
    """A second difference, within patients, that is taken from the first: a difference of differences."""
    answers: Answers | None = None
    """Which claims of the reviews it answers; none where it is empty."""


class Comparison(Section):
    """Patient-level contrasts between environments and time points."""

    before: str = "before"
    """Value of the sheet's timepoint column that means before treatment."""
    after: str = "after"
    """Value of the sheet's timepoint column that means after treatment."""
    min_parent_cells: Annotated[int, Field(ge=1)] = 10
    """A fraction whose parent has fewer cells in a sample is left out as not measured."""
    min_pairs: Annotated[int, Field(ge=2)] = 3
    """A contrast with fewer patients (or pairs) is not testable."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Level at which a corrected p-value supports or contradicts a claim."""
    equivalence_log_odds: Annotated[float, Field(gt=0)] = 0.5
    """A cell fraction counts as unchanged when its effect lies surely within this many log-odds of 0."""
    equivalence_score: Annotated[float, Field(gt=0)] = 0.05
    """A signature counts as unchanged when its mean score (0 to 1) differs surely by less than this."""
    equivalence_log2_fold: Annotated[float, Field(gt=0)] = 0.5
    """A gene counts as unchanged when its log2 fold change lies surely within this of 0."""
    claims_of_other_cancers: bool = False
    """Whether a claim about a cancer that the cohort does not hold is weighed by the cancers it holds."""
    cancer_names: dict[str, str] = Field(default={})
    """The sheet's cancer names, each with the claims' name for it (NSCLC, HCC, NPC) or any other name."""
    treatment_names: dict[str, str] = Field(default={})
    """The sheet's treatments, each with radiotherapy, immunotherapy, chemo_targeted_combined or untreated."""
    donor_names: tuple[str, ...] = ("healthy", "donor", "none", "control")
    """Values of the sheet's cancer column that mean a person without cancer."""
    responder_names: tuple[str, ...] = (
        *("R", "responder", "response", "CR", "PR", "complete response", "partial response"),
        *("MPR", "pCR", "major pathologic response", "major pathological response"),
    )
    """Values of the sheet's response column that mean a responder, whatever their case and dashes."""
    non_responder_names: tuple[str, ...] = (
        *("NR", "non_responder", "nonresponder", "no response", "SD", "PD", "stable disease"),
        *("progressive disease", "NMPR", "non-MPR", "no MPR"),
    )
    """Values of the sheet's response column that mean a non-responder; any other is in neither group."""
    dose_limits_gy: tuple[Annotated[float, Field(gt=0)], ...] = (1.8, 2.4, 5.0)
    """Doses per fraction (Gy, ascending) at which a class of dose begins, for contrasts by dose."""
    contrasts: tuple[ContrastChoice, ...] = ()
    """Further contrasts, whose arms are chosen by conditions on columns of the sample sheet."""

    @model_validator(mode="after")
    def _groups_differ(self) -> Comparison:
        each = [
            {"".join(c for c in word.casefold() if c.isalnum()) for word in words}
            for words in (self.responder_names, self.non_responder_names)
        ]
        both = sorted(each[0] & each[1])
        if both:
            message = f"responder_names and non_responder_names share {', '.join(both)}"
            raise ValueError(message)
        if list(self.dose_limits_gy) != sorted(set(self.dose_limits_gy)):
            message = "dose_limits_gy must ascend"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Comparison:
        names = [contrast.name for contrast in self.contrasts]
        repeated = sorted({name for name in names if names.count(name) > 1})
        taken = sorted(name for name in set(names) if name.partition(":")[0] in BUILT_IN)
        if repeated or taken:
            why = "stand twice" if repeated else "are those of built-in contrasts"
            message = f"the names {', '.join(repeated or taken)} {why}"
            raise ValueError(message)
        return self
