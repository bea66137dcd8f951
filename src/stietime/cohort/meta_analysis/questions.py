"""Which contrasts of several cohorts ask the same, so that they may be combined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stietime.cohort.design.designs import AFTER_VS_BEFORE
from stietime.cohort.design.samples import CANCER, TREATMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

KEYS: Final = ("contrast", "design", "environment", "cancer", "treatment")

Offered = dict[str, str]  # one contrast of a cohort by the columns of `KEYS`


@dataclass(frozen=True)
class Cohort:
    """The tables of one cohort.

    Parameters
    ----------
    name
        Its name, no other's.
    contrasts
        As `contrasts.compare` gives it.
    claims
        As `claims.weigh` gives it.
    scales
        How the kinds of measure are scaled where that is a choice, such as the method of scoring.
    definitions
        Of contrasts that the configuration names: their arms in words.
    """

    name: str
    contrasts: pd.DataFrame
    claims: pd.DataFrame
    scales: Mapping[str, str]
    definitions: Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """A contrast over several cohorts.

    Parameters
    ----------
    name
        As contrasts are named: design and environment, then treatment and cancer where they narrow it.
    members
        By cohort, the name of its contrast that asks this.
    design, environment
        Of all members.
    cancer, treatment
        Those that all members stand for; empty where they differ.
    """

    name: str
    members: dict[str, str]
    design: str
    environment: str
    cancer: str
    treatment: str


def find_questions(cohorts: Sequence[Cohort]) -> list[Question]:
    """List what the cohorts' contrasts ask: over all patients, then for one cancer and one treatment.

    A cohort whose patients all have one cancer answers a question about that cancer with the contrast over
    all of them, another with its stratum. A question that no wider one differs from is not listed again.

    Parameters
    ----------
    cohorts
        At least one.

    Returns
    -------
    Questions in the order of the cohorts' contrasts, the wider first.
    """
    offered = {cohort.name: _offered(cohort.contrasts) for cohort in cohorts}
    bases = dict.fromkeys(_base(row) for rows in offered.values() for row in rows)
    return [question for base in bases for question in _of_base(base, offered)]


def _offered(contrasts: pd.DataFrame) -> list[Offered]:
    text = contrasts[list(KEYS)].fillna("").astype(str).drop_duplicates()
    return [{str(key): value for key, value in row.items()} for row in text.to_dict("records")]


def _base(row: Offered) -> str:
    return row["contrast"].partition(";")[0]


def _of_base(base: str, offered: Mapping[str, list[Offered]]) -> list[Question]:
    rows = {name: [row for row in of if _base(row) == base] for name, of in offered.items()}
    every = [row for of in rows.values() for row in of]
    cancers = sorted({row["cancer"] for row in every} - {""})
    after = every[0]["design"] == AFTER_VS_BEFORE
    treatments = sorted({row["treatment"] for row in every} - {""}) if after else []
    found: list[Question] = []
    for treatment, cancer in [
        ("", ""),
        *(("", c) for c in cancers),
        *((t, c) for t in treatments for c in ("", *cancers)),
    ]:
        members = {name: _widest(of, treatment, cancer) for name, of in rows.items()}
        chosen = {name: row for name, row in members.items() if row is not None}
        contrasts = {name: row["contrast"] for name, row in chosen.items()}
        if chosen and contrasts not in [question.members for question in found]:
            strata = [f"{key}={value}" for key, value in ((TREATMENT, treatment), (CANCER, cancer)) if value]
            found.append(_question(";".join([base, *strata]), contrasts, list(chosen.values())))
    return found


def _widest(rows: Sequence[Offered], treatment: str, cancer: str) -> Offered | None:
    """Find the first contrast of a cohort that is narrowed to what is asked, and to nothing else."""
    for row in rows:
        narrowed = row["contrast"].partition(";")[2]
        if (treatment or f"{TREATMENT}=" not in narrowed) and (cancer or f"{CANCER}=" not in narrowed):
            fits = treatment in ("", row["treatment"]) and cancer in ("", row["cancer"])
            if fits:
                return row
    return None


def _question(name: str, members: dict[str, str], rows: Sequence[Offered]) -> Question:
    def shared(key: str) -> str:
        """Give the value that all members have."""
        values = {row[key] for row in rows}
        return values.pop() if len(values) == 1 else ""

    return Question(
        name, members, rows[0]["design"], rows[0]["environment"], shared("cancer"), shared("treatment")
    )
