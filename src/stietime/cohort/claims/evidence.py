"""What a cohort offers to test the reviews' claims with: its contrasts, indexed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from stietime import names
from stietime.cohort.composition.composition import LEVEL_STATE, NOT_CAPTURED
from stietime.cohort.design.designs import AFTER_VS_BEFORE, PATIENT_VS_DONOR, STIE_VS_TIME, TIME_VS_NORMAL
from stietime.cohort.design.samples import CANCER, SPECIES
from stietime.cohort.design.treatment_designs import CHANGE_RESPONDER_VS_NON, RESPONDER_VS_NON

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Row = dict[str, Any]

HUMAN: Final = "human"
# environments that a design compares; the others compare within that of the claim
ENVIRONMENTS_OF: Final = {
    STIE_VS_TIME: (names.STIE, names.TIME),
    TIME_VS_NORMAL: (names.TIME, names.NORMAL),
    PATIENT_VS_DONOR: (names.STIE,),
}
IN_ONE_ENVIRONMENT: Final = (AFTER_VS_BEFORE, RESPONDER_VS_NON, CHANGE_RESPONDER_VS_NON)
DESIGNS: Final = (*ENVIRONMENTS_OF, *IN_ONE_ENVIRONMENT)
TOLD: Final = ("contrast", "design", "environment", "cancer", "treatment")


@dataclass(frozen=True)
class Answer:
    """Which claims a contrast of the configuration answers.

    Parameters
    ----------
    contrast
        Its name.
    design, environment, treatment
        It answers the claims that ask for these; nothing without a design.
    claims
        Claims that it answers whatever they ask for.
    """

    contrast: str
    design: str = ""
    environment: str = ""
    treatment: str = ""
    claims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What a cohort offers to test claims with.

    Parameters
    ----------
    rows
        The table of contrasts as one dictionary per (contrast, kind, entity).
    offered
        One row per contrast, the preferred first: contrast, design, environment, cancer, treatment.
    states
        Entities that were called as states.
    cancers
        Cancers of the cohort's patients.
    environments
        Environments of the cohort's samples.
    human
        Whether the cohort holds human samples.
    lost
        Entities and environments in which no sample could catch them.
    named
        For each claim that the configuration names, the contrast that answers it.
    regulators
        Rows of the table of regulators by contrast and gene.
    """

    rows: dict[tuple[str, str, str], Row]
    offered: list[Row]
    states: frozenset[str]
    cancers: frozenset[str]
    environments: frozenset[str]
    human: bool
    lost: frozenset[tuple[str, str]] = frozenset()
    named: dict[str, str] = field(default_factory=dict)
    regulators: dict[tuple[str, str], list[Row]] = field(default_factory=dict)


def gather_evidence(
    contrasts: pd.DataFrame,
    composition: pd.DataFrame,
    samples: pd.DataFrame,
    *,
    answers: Sequence[Answer] = (),
    regulators: pd.DataFrame | None = None,
) -> Evidence:
    """Index the tables of a cohort.

    Parameters
    ----------
    contrasts
        As `contrasts.compare` gives it.
    composition
        As `count_entities` gives it.
    samples
        As `name_cohort` gives it.
    answers
        What contrasts of the configuration answer.
    regulators
        Genes per cell type: contrast, gene, cell_type, level, makes_it, estimate, q, n_patients, status.
    """
    text = contrasts[list(TOLD)].fillna("").astype(str).drop_duplicates()
    filled = contrasts.fillna({"note": "", "parent": ""})
    species = {value.casefold() for value in samples[SPECIES]}
    offered = _records(text)
    answering = {answer.contrast: answer for answer in answers}
    chosen = [_as_answer(row, answering[row["contrast"]]) for row in offered if row["contrast"] in answering]
    return Evidence(
        rows={(row["contrast"], row["kind"], row["entity"]): row for row in _records(filled)},
        # what the configuration says comes before what is built in
        offered=[row for row in chosen if row["design"]] + offered,
        states=frozenset(composition.loc[composition["level"] == LEVEL_STATE, "entity"]),
        cancers=frozenset(samples[CANCER]) - {""},
        environments=frozenset(samples[names.ENVIRONMENT]),
        human=bool(species & {HUMAN, "homo sapiens", ""}),
        lost=_lost(composition),
        named={claim: answer.contrast for answer in answers for claim in answer.claims},
        regulators=_by_gene(regulators),
    )


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _as_answer(row: Row, answer: Answer) -> Row:
    return {
        **row,
        "design": answer.design,
        "environment": answer.environment or row["environment"],
        "treatment": answer.treatment or row["treatment"],
    }


def _lost(composition: pd.DataFrame) -> frozenset[tuple[str, str]]:
    if not {"note", names.ENVIRONMENT} <= set(composition.columns):
        return frozenset()
    missed = composition["note"].fillna("").astype(str).str.startswith(NOT_CAPTURED)
    nowhere = missed.groupby([composition["entity"], composition[names.ENVIRONMENT]]).all()
    return frozenset((str(entity), str(where)) for entity, where in nowhere.index[nowhere])


def _by_gene(regulators: pd.DataFrame | None) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in [] if regulators is None else _records(regulators):
        found.setdefault((str(row["contrast"]), str(row["gene"])), []).append(row)
    return found
