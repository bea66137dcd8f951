"""Clones and composition of T cells with a published answer: Zhang 2018, and planted sharing.

The labels of 7,878 T cells of 12 patients with colorectal cancer: type, clone and tissue. The comparators are
plain loops over clones written from the paper's formulas, here and not in the package.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pandas as pd

from benchmarks.public_data import not_found
from benchmarks.record import Figure
from benchmarks.statistics_cohorts import ZHANG
from stietime import names
from stietime.cohort.clonotypes.contrasts import clone_contrasts
from stietime.cohort.clonotypes.kinds import FOLLOWED
from stietime.cohort.clonotypes.startrac import INDICES, startrac_indices
from stietime.cohort.clonotypes.table import clonotype_table
from stietime.cohort.composition.composition import count_entities
from stietime.cohort.design.designs import find_contrasts
from stietime.cohort.design.samples import name_cohort, sample_table
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import composition_measure
from stietime.resources import read_markers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Row = dict[str, Any]

CASE: Final = "Zhang 2018: T cells of 12 patients with colorectal cancer"
PLACES: Final = {"P": names.STIE, "T": names.TIME, "N": names.NORMAL}
EFFECTOR, EXHAUSTED, TREG = "CD8_C03-CX3CR1", "CD8_C07-LAYN", "CD4_C12-CTLA4"
MAX_DIFFERENCE: Final = 1e-8
ALPHA: Final = 0.05
MIN_CELLS: Final = 10
MIN_PAIRS: Final = 3
N_COHORTS, N_QUICK = 100, 10
SEED: Final = 1


def figures(*, quick: bool) -> list[Figure]:
    """Measure agreement with plain loops, the published ranking, composition, and planted sharing.

    Parameters
    ----------
    quick
        Fewer simulated cohorts.
    """
    n_cohorts = N_QUICK if quick else N_COHORTS
    if not ZHANG.is_file():
        return [not_found(CASE, "largest difference of STARTRAC's indices", f"<= {MAX_DIFFERENCE}"),
                *_simulated(n_cohorts)]  # fmt: skip
    cells = read_zhang()
    return [_agreement(cells), *_ranking(cells), *_composition(cells), *_simulated(n_cohorts)]


def read_zhang(path: Path = ZHANG) -> pd.DataFrame:
    """Read the labels as cells whose clones are followed; the lineage is the sorted CD4 or CD8 gate.

    Parameters
    ----------
    path
        The table of labels.
    """
    found = pd.read_csv(path, sep="\t")
    return pd.DataFrame(
        {
            "cell": found["Cell_Name"],
            "sample": found["patient"] + "_" + found["loc"],
            "patient": found["patient"],
            "environment": found["loc"].map(PLACES),
            "timepoint": "",
            "lineage": found["stype"].str.lower() + "_t",
            "cell_type": found["majorCluster"],
            "kind": found["majorCluster"],
            "clone": found["clone.id"],
            "status": FOLLOWED,
        }
    )


def _bits(counts: Iterable[int]) -> float:
    sizes = [n for n in counts if n]
    total = sum(sizes)
    return -sum(n / total * math.log2(n / total) for n in sizes)


def plain_indices(cells: list[tuple[str, str, str]]) -> dict[str, tuple[float, float, float]]:
    """Give expansion, migration and transition of each type by a loop over clones.

    Parameters
    ----------
    cells
        Clone, type and environment of each cell.
    """
    clones: dict[str, list[tuple[str, str]]] = {}
    for clone, kind, place in cells:
        clones.setdefault(clone, []).append((kind, place))
    found = {}
    for wanted in sorted({kind for _, kind, _ in cells}):
        inside = {c: n for c, own in clones.items() if (n := sum(k == wanted for k, _ in own))}
        total = sum(inside.values())
        expansion = 1 - _bits(inside.values()) / math.log2(len(inside)) if len(inside) > 1 else math.nan
        moves = sum(n / total * _bits(Counter(p for _, p in clones[c]).values()) for c, n in inside.items())
        turns = sum(n / total * _bits(Counter(k for k, _ in clones[c]).values()) for c, n in inside.items())
        found[wanted] = (expansion, moves, turns)
    return found


def _agreement(cells: pd.DataFrame) -> Figure:
    largest = 0.0
    for _, own in cells.groupby("patient"):
        ours = startrac_indices(own)
        triples = zip(own["clone"], own["kind"], own["environment"], strict=True)
        for kind, values in plain_indices(list(triples)).items():
            mine = ours.loc[kind, list(INDICES)].to_numpy(dtype=float)
            if (np.isnan(mine) != np.isnan(values)).any():
                largest = math.inf
            largest = max(largest, float(np.nanmax(np.abs(mine - np.array(values)))))
    metric = "largest difference of STARTRAC's indices from a plain loop over clones"
    return Figure(
        CASE, metric, largest, target=f"<= {MAX_DIFFERENCE}", met=largest <= MAX_DIFFERENCE, n=len(cells)
    )


def _ranking(cells: pd.DataFrame) -> Iterator[Figure]:
    sampled = cells[["patient", "environment", "timepoint"]].drop_duplicates()
    table = clonotype_table(cells, sampled, min_cells=MIN_CELLS)
    tested = clone_contrasts(table, min_pairs=MIN_PAIRS)
    own = tested[tested["contrast"] == "type_vs_other_types"]
    rows = {(row["index"], row["entity"]): row for row in cast("list[Row]", own.to_dict("records"))}
    for kind, index in ((EFFECTOR, "migration"), (EFFECTOR, "expansion"), (EXHAUSTED, "expansion")):
        yield _place(rows, kind, index, most=1 if index == "migration" else 2)
        yield _tested(rows[index, kind], f"q of the {index} of {kind} above other types", higher=True)
    row = rows["sharing", EXHAUSTED]
    yield _tested(row, f"q of the sharing of {EXHAUSTED} with blood below other types", higher=False)


def _place(rows: dict[tuple[str, str], Row], kind: str, index: str, *, most: int) -> Figure:
    means = [row["mean_first"] for (found, _), row in rows.items() if found == index]
    own = rows[index, kind]
    place = 1 + sum(mean > own["mean_first"] for mean in means)
    metric = f"place of {kind} by mean {index} over patients, of {len(means)} types"
    n = int(own["n_patients"])
    return Figure(CASE, metric, place, target=f"<= {most}", met=place <= most, n=n)


def _tested(row: Row, metric: str, *, higher: bool) -> Figure:
    right = bool(row["q"] <= ALPHA and (row["estimate"] > 0) == higher)
    return Figure(CASE, metric, float(row["q"]), target=f"<= {ALPHA}", met=right, n=int(row["n_patients"]))


def tumour_against_blood(cells: pd.DataFrame) -> dict[str, Row]:
    """Compare the types within their sorted gate between blood and tumour with the package's default test.

    Parameters
    ----------
    cells
        As `read_zhang` gives them.

    Returns
    -------
    The rows of the contrast `stie_vs_time` by entity; an estimate below 0 is higher in the tumour.
    """
    sheet = {"treatment": "", "cancer": "colorectal cancer", "species": "human", "tissue": ""}
    cells = cells.assign(timepoint="before", **sheet)
    donors = ("healthy", "donor", "none", "control")
    samples = name_cohort(sample_table(cells), cancer_names={}, treatment_names={}, donor_names=donors)
    sets = read_markers().drop_duplicates("set_id").set_index("set_id")[["parent", "level"]]
    table = count_entities(cells, samples, sets, min_parent_cells=MIN_CELLS)
    measure = composition_measure(table, min_parent_cells=MIN_CELLS)
    contrasts = find_contrasts(samples, before="before", after="after", min_pairs=MIN_PAIRS)
    tested = compare([c for c in contrasts if c.name == "stie_vs_time"], [measure], min_pairs=MIN_PAIRS)
    return {row["entity"]: row for row in cast("list[Row]", tested.to_dict("records"))}


def _composition(cells: pd.DataFrame) -> Iterator[Figure]:
    tested = tumour_against_blood(cells)
    for kind in (EXHAUSTED, TREG):
        metric = f"q of {kind} within its gate, higher in the tumour than in the blood"
        yield _tested(tested[kind], metric, higher=False)
    metric = f"q of {EFFECTOR} within its gate, higher in the blood than in the tumour"
    yield _tested(tested[EFFECTOR], metric, higher=True)


def draw_cohort(rng: np.random.Generator, *, keeps: float, n_patients: int = 8) -> pd.DataFrame:
    """Draw patients whose clones are dealt to blood and tumour, or keep to one of them.

    Parameters
    ----------
    rng
        Random generator.
    keeps
        Share of the clones that stay in one place; 0 deals every cell at random, whatever its clone.
    n_patients
        Number of patients.
    """
    rows = []
    for patient in range(n_patients):
        sizes = 1 + rng.negative_binomial(0.4, 0.15, 80)
        in_blood = rng.uniform(0.3, 0.7)
        for clone, size in enumerate(sizes):
            places = rng.random(size) < in_blood
            if rng.random() < keeps:
                places[:] = rng.random() < in_blood
            kind = rng.choice(["a", "b", "c"])
            rows += [
                (f"p{patient}", names.STIE if blood else names.TIME, str(kind), f"c{clone}")
                for blood in places
            ]
    cells = pd.DataFrame(rows, columns=["patient", "environment", "kind", "clone"])
    return cells.assign(timepoint="", status=FOLLOWED)


def _simulated(n_cohorts: int) -> Iterator[Figure]:
    for keeps, case in (
        (0.0, "8 simulated patients, cells dealt at random"),
        (0.5, "8 simulated patients, half the clones keep to a place"),
    ):
        rng = np.random.default_rng(SEED)
        p = np.array([_p_of_sharing(draw_cohort(rng, keeps=keeps)) for _ in range(n_cohorts)])
        share = float((p <= ALPHA).mean())
        low, high = (0.0, 0.08) if keeps == 0 else (0.9, 1.0)
        target = f"<= {high}" if keeps == 0 else f">= {low}"
        metric = "share of cohorts whose sharing differs from chance at p <= 0.05"
        yield Figure(case, metric, share, target=target, met=low <= share <= high, n=n_cohorts, seed=SEED)


def _p_of_sharing(cells: pd.DataFrame) -> float:
    sampled = cells[["patient", "environment", "timepoint"]].drop_duplicates()
    tested = clone_contrasts(clonotype_table(cells, sampled, min_cells=MIN_CELLS), min_pairs=MIN_PAIRS)
    row = tested[(tested["contrast"] == "observed_vs_chance") & (tested["entity"] == "all")]
    return float(row["p"].iloc[0])
