"""How long composition, contrasts and claims take for 1,000 samples and 60 cell types."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.record import Figure
from stietime import names
from stietime.cohort.claims.claims import weigh
from stietime.cohort.claims.evidence import gather_evidence
from stietime.cohort.claims.verdicts import Margins
from stietime.cohort.composition.composition import count_entities
from stietime.cohort.design.samples import name_cohort, sample_table
from stietime.cohort.design.treatment import name_treatment
from stietime.cohort.design.treatment_designs import every_contrast
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import composition_measure, gated_measure
from stietime.resources import read_claims, read_markers
from stietime.steps.claimed_values import claimed_values, count_claimed

N_PATIENTS: Final = 250
N_TYPES: Final = 60
CELLS_PER_SAMPLE: Final = 500
MOST_SECONDS: Final = 60.0


def figures(*, quick: bool) -> list[Figure]:
    """Time the three from the table of cells on.

    Parameters
    ----------
    quick
        100 samples.
    """
    n_patients = N_PATIENTS // 10 if quick else N_PATIENTS
    cells = many_cells(n_patients, np.random.default_rng(1))
    sets = read_markers().drop_duplicates("set_id").set_index("set_id")[["parent", "level"]]
    claims = read_claims()
    start, cpu = time.perf_counter(), time.process_time()
    samples = name_cohort(sample_table(cells), cancer_names={}, treatment_names={}, donor_names=())
    composition = count_entities(cells, samples, sets, min_parent_cells=10)
    gated = count_claimed(cells, samples, sets, min_parent_cells=10, excluded={})
    contrasts = every_contrast(
        name_treatment(samples, responders=(), non_responders=(), dose_limits=()),
        before="before",
        after="after",
        min_pairs=3,
    )
    measures = [
        composition_measure(composition, min_parent_cells=10),
        gated_measure(gated, min_parent_cells=10),
    ]
    table = compare(contrasts, measures, min_pairs=3)
    values = claimed_values(contrasts, measures)
    verdicts = weigh(
        claims, gather_evidence(table, composition, samples), alpha=0.05, margins=Margins(0.5, 0.05, 0.5)
    )
    wall, processor = time.perf_counter() - start, time.process_time() - cpu
    case = f"{4 * n_patients} samples, {N_TYPES} types, {len(cells)} cells, {len(contrasts)} contrasts"
    told, target = "composition, contrasts and claims, seconds", f"<= {MOST_SECONDS:g}"
    return [
        Figure(case, told, wall, target=target, met=wall <= MOST_SECONDS, n=len(table), seed=1),
        Figure(case, f"{told} of the processor", processor, n=len(verdicts) + len(values), seed=1),
    ]


def many_cells(n_patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw labelled cells of patients with blood and tumour before and after treatment, of three cancers.

    Parameters
    ----------
    n_patients
        Number of patients, each with four samples.
    rng
        Source of randomness.
    """
    lineages = ["t_cell", "nk", "b_cell", "monocyte", "macrophage", "dc", "neutrophil", "epithelial"]
    kinds = [f"{lineages[number % len(lineages)]}_{number}" for number in range(N_TYPES)]
    sheet = pd.DataFrame(
        [
            (f"p{patient}_{place}_{point}", f"p{patient}", place, point, ("NSCLC", "HCC", "NPC")[patient % 3])
            for patient in range(n_patients)
            for place in (names.STIE, names.TIME)
            for point in ("before", "after")
        ],
        columns=["sample", "patient", "environment", "timepoint", "cancer"],
    ).assign(treatment="immunotherapy", species="human", tissue="blood")
    kind = rng.choice(N_TYPES, len(sheet) * CELLS_PER_SAMPLE, p=rng.dirichlet(np.full(N_TYPES, 2.0)))
    cells = sheet.loc[np.repeat(sheet.index, CELLS_PER_SAMPLE)].reset_index(drop=True)
    cells[names.LINEAGE] = np.array(lineages)[kind % len(lineages)]
    cells[names.CELL_TYPE] = np.array(kinds)[kind]
    for state, chance in (("texp", 0.02), ("treg", 0.02)):
        cells[names.call_column(state)] = rng.random(len(cells)) < chance
    return cells
