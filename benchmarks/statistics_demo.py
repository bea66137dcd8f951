"""The demo's cohort over 100 seeds, cells labelled by their truth: planted contrasts, and none planted.

Samples are drawn as `stietime simulate` plans them, 455 cells each (500 less doublets and dying cells), four
patients. What is measured is the tests and not the calls. With none planted, all samples of a patient have
the composition of its blood before treatment, moved by the factors of patients and samples of the simulation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from benchmarks.record import Figure
from stietime import names
from stietime.cohort.composition.composition import count_entities
from stietime.cohort.design.designs import find_contrasts
from stietime.cohort.design.samples import name_cohort, sample_table
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import composition_measure
from stietime.resources import read_markers
from stietime.simulate.cohort import Sample, design, planned_composition
from stietime.simulate.reference import named_rng, read_composition, reference

if TYPE_CHECKING:
    from collections.abc import Mapping

SEEDS: Final = 100
N_PATIENTS: Final = 4
N_CELLS: Final = 455
SAMPLE_SPREAD: Final = 0.1  # of the simulation
STATE_PARENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "texp": ("cd8_t", "texp"),
    "treg": ("cd4_t", "treg_blood", "treg_tumour"),
    "m_mdsc": ("mono_cd14", "m_mdsc"),
    "pmn_mdsc": ("neutrophil", "pmn_mdsc"),
    "ter_cell": ("erythroid", "ter_cell"),
}
ARMS: Final = {
    "stie_vs_time": ("blood_before", "tumour_before"),
    "after_vs_before:STIE": ("blood_after", "blood_before"),
    "after_vs_before:TIME": ("tumour_after", "tumour_before"),
}
SMALLEST: Final = 0.05  # log-odds; less counts as not planted
WELL: Final = 0.9
MOST_FALSE: Final = 0.05


def figures(*, quick: bool) -> list[Figure]:
    """Recover the planted states, and look for what is not there.

    Parameters
    ----------
    quick
        Ten seeds.
    """
    seeds = SEEDS // 10 if quick else SEEDS
    truth = planted()
    signs, covers, false = [], [], []
    for seed in range(1, seeds + 1):
        table = contrasts_of(seed, planted=True).set_index(["contrast", "entity"])
        found = table.loc[list(truth.index)]
        signs.append(np.sign(found["estimate"]) == np.sign(truth))
        covers.append((found["ci_low"] <= truth) & (truth <= found["ci_high"]))
        none = contrasts_of(seed, planted=False)
        false.append((none["q"] <= 0.05).groupby(none["contrast"]).any())
    sign, cover = (pd.concat(rows, axis=1).to_numpy() for rows in (signs, covers))
    any_false = pd.concat(false, axis=1)
    case, both = f"demo, {N_PATIENTS} patients, true labels", float((sign & cover).mean())
    worst, together = float(any_false.mean(axis=1).max()), float(any_false.any().mean())
    told = "share of seeds with any q <= 0.05 and nothing planted"
    return [
        Figure(
            case, f"share of {len(truth)} planted contrasts of states with sign and interval right", both,
            target=f">= {WELL}", met=both >= WELL, n=seeds, seed=1,
        ),
        Figure(case, "share with the sign right", float(sign.mean()), n=seeds, seed=1),
        Figure(case, "share of intervals that hold the truth", float(cover.mean()), n=seeds, seed=1),
        Figure(
            case, f"{told}, worst of {len(any_false)} contrasts", worst, target=f"<= {MOST_FALSE}",
            met=worst <= MOST_FALSE, n=seeds, seed=1,
        ),
        Figure(
            case, f"{told}, in any of {len(any_false)} contrasts", together, target=f"<= {MOST_FALSE}",
            met=together <= MOST_FALSE, n=seeds, seed=1,
        ),
    ]  # fmt: skip


def planted() -> pd.Series:
    """Give the planted difference in log-odds of each state in each contrast, where there is one."""
    table = read_composition().set_index(["parent", "entity"])
    found = {}
    for contrast, arms in ARMS.items():
        for state, (parent, *populations) in STATE_PARENTS.items():
            rows = table[list(arms)].loc[pd.MultiIndex.from_product([[parent], populations])]
            shares = rows.to_numpy(dtype=float).sum(axis=0)
            if parent == "erythroid":  # Ter cells are counted among all cells
                shares = shares * table.loc[("all", parent), list(arms)].to_numpy(dtype=float)
            first, second = (np.log(share / (1 - share)) for share in shares)
            if abs(first - second) >= SMALLEST:
                found[(contrast, state)] = first - second
    return pd.Series(found)


def contrasts_of(seed: int, *, planted: bool) -> pd.DataFrame:
    """Draw a cohort and compare it.

    Parameters
    ----------
    seed
        Seed of the cohort.
    planted
        Whether environments and time points differ.
    """
    return tables_of(seed, planted=planted)[0]


def tables_of(seed: int, *, planted: bool) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Draw a cohort and compare it: the contrasts, the composition and the samples; as `contrasts_of`."""
    cells = pd.concat([_cells(sample, seed, planted=planted) for sample in design(N_PATIENTS)])
    samples = name_cohort(sample_table(cells), cancer_names={}, treatment_names={}, donor_names=())
    sets = read_markers().drop_duplicates("set_id").set_index("set_id")[["parent", "level"]]
    composition = count_entities(cells, samples, sets, min_parent_cells=10)
    contrasts = find_contrasts(samples, before="before", after="after", min_pairs=3)
    measures = [composition_measure(composition, min_parent_cells=10)]
    return compare(contrasts, measures, min_pairs=3), composition, samples


def _cells(sample: Sample, seed: int, *, planted: bool) -> pd.DataFrame:
    rng = named_rng(seed, "benchmark", sample.name)
    populations = reference().populations
    if planted:
        chances = planned_composition(sample, seed)
    else:
        chances = planned_composition(Sample(sample.patient, names.STIE, "before"), seed)
        chances = chances * np.exp(rng.normal(0, SAMPLE_SPREAD, len(chances)))
    chances = chances / chances.sum()
    of_cell = populations.loc[rng.choice(chances.index.to_numpy(), N_CELLS, p=chances.to_numpy())]
    sheet = {
        "sample": sample.name, "patient": sample.patient, "environment": sample.environment,
        "timepoint": sample.timepoint, "tissue": sample.tissue, "treatment": "immunotherapy",
        "cancer": "NSCLC", "species": "human",
    }  # fmt: skip
    cells = pd.DataFrame({names.LINEAGE: of_cell["lineage"], names.CELL_TYPE: of_cell["cell_type"]})
    calls = {names.call_column(state): (of_cell["state"] == state).to_numpy() for state in names.STATES}
    return cells.reset_index(drop=True).assign(**sheet, **calls)
