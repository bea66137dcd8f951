"""Draw the counts that R's DESeq2 is run on: `python draw_counts.py`, then `Rscript run_deseq2.R`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
N_GENES = 400


def units_of(case: str) -> pd.DataFrame:
    """List the units of a case: part, patient, arm."""
    if case == "groups":
        rows = [(0, f"p{i}", int(i < 8)) for i in range(17)]
    elif case == "pairs":
        rows = [(0, f"p{i}", arm) for arm in (1, 0) for i in range(4)]
    else:
        rows = [(part, f"p{i}", arm) for part in (0, 1) for arm in (1, 0) for i in range(4)]
    return pd.DataFrame(rows, columns=["part", "patient", "arm"])


def draw(case: str, seed: int) -> None:
    """Write the counts and the units of a case."""
    rng = np.random.default_rng(seed)
    units = units_of(case)
    base = np.exp(rng.normal(2.5, 2, N_GENES))
    dispersion = 0.08 + 2 / base
    patients = pd.factorize(units["patient"])[0]
    own = np.exp(rng.normal(0, 0.4, (patients.max() + 1, N_GENES)))[patients]
    effect = np.where(np.arange(N_GENES) % 5 == 0, rng.normal(0, 1.5, N_GENES), 0)
    moved = np.exp(effect * ((units["arm"] == 1) & (units["part"] == 0)).to_numpy()[:, None])
    depth = np.exp(rng.normal(0, 0.4, len(units)))[:, None]
    mean = base * own * moved * depth
    counts = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))
    if case == "groups":  # outliers, which are replaced where an arm has seven units or more
        counts[[2, 11, 5], [10, 20, 30]] += 40_000
    genes = [f"g{i}" for i in range(N_GENES)]
    names = [f"u{i}" for i in range(len(units))]
    kept = counts.sum(axis=0) > 0
    frame = pd.DataFrame(counts.T, index=genes, columns=names)[kept]
    frame.to_csv(HERE / f"{case}_counts.tsv", sep="\t", index_label="gene")
    units.assign(unit=names).to_csv(HERE / f"{case}_units.tsv", sep="\t", index=False)


for number, case in enumerate(("pairs", "groups", "difference")):
    draw(case, 11 + number)
