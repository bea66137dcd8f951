"""A made-up cohort's table of cells, by a few lines of numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.resources import read_markers

LINEAGES = {
    "cd4_t": "t_cell",
    "cd8_t": "t_cell",
    "nk": "nk",
    "b_cell": "b_cell",
    "mono_cd14": "monocyte",
    "neutrophil": "neutrophil",
    "dc": "dc",
    "pdc": "pdc",
    "erythroid": "erythroid",
    "epithelial": "epithelial",
}
FRACTIONS = (0.2, 0.15, 0.08, 0.06, 0.15, 0.1, 0.04, 0.02, 0.1, 0.1)
STATES = {
    "texp": ("cd8_t", 0.3),
    "treg": ("cd4_t", 0.2),
    "m_mdsc": ("mono_cd14", 0.3),
    "pmn_mdsc": ("neutrophil", 0.2),
    "ter_cell": ("erythroid", 0.2),
}
SCORES = ("texp", "cd8_gzmb", "m2_macrophage", "mhc_i", "tls", "m2_m1_ratio", "effector_t")


def cells_of_sample(row, n_cells, rng, *, fractions=None, states=None, score_shift=0.0):
    """Draw the cells of one sample; `row` holds the sheet's columns."""
    chances = np.array(fractions or FRACTIONS)
    kind = rng.choice(list(LINEAGES), n_cells, p=chances / chances.sum())
    cells = pd.DataFrame({"cell": [f"{row['sample']}:{i}" for i in range(n_cells)]}).assign(**row)
    cells["lineage"], cells["cell_type"] = [LINEAGES[k] for k in kind], kind
    for state, (parent, chance) in STATES.items():
        share = (states or {}).get(state, chance)
        cells[f"is_{state}"] = (kind == parent) & (rng.random(n_cells) < share)
    for name in SCORES:
        cells[f"score_{name}"] = np.clip(rng.normal(0.3 + score_shift, 0.05, n_cells), 0, 1)
    return cells


@pytest.fixture(scope="session")
def sets():
    """The tree of the marker sets."""
    return read_markers().drop_duplicates("set_id").set_index("set_id")[["parent", "level"]]


@pytest.fixture(scope="session")
def draw_sample():
    """Give the function that draws the cells of one sample."""
    return cells_of_sample


@pytest.fixture(scope="session")
def draw_cohort():
    """Give a function that draws a cohort from (environment, timepoint) to options of `cells_of_sample`."""

    def draw(plan, *, n_patients=4, n_cells=300, seed=1, **sheet):
        rng = np.random.default_rng(seed)
        parts = []
        for patient in range(n_patients):
            for (environment, timepoint), options in plan.items():
                name = f"p{patient}"
                row = {
                    "sample": f"{name}_{environment}_{timepoint}",
                    "patient": name,
                    "environment": environment,
                    "timepoint": timepoint,
                    "treatment": "immunotherapy",
                    "cancer": "NSCLC",
                    "species": "human",
                    "tissue": "blood",
                }
                parts.append(cells_of_sample({**row, **sheet}, n_cells, rng, **options))
        return pd.concat(parts, ignore_index=True)

    return draw


NAMES = {"cancer_names": {}, "treatment_names": {}, "donor_names": ("healthy", "donor", "none", "control")}


@pytest.fixture(scope="session")
def name_samples():
    """Give a function from a cell table to its named samples, by the default settings."""
    from stietime.cohort.design.samples import name_cohort, sample_table

    return lambda cells, **given: name_cohort(sample_table(cells), **{**NAMES, **given})
