"""Captures of realistic sparsity for the benchmark of scale: 20,000 genes, a median of about 2,500 UMI.

Populations, marker genes and shares are those of `stietime simulate`, with weak genes beside them; the counts
are drawn sparsely and block by block. Every patient gives blood and tumour, each its own capture; the
patients are worked up in 8 to 10 batches. One file per capture is written as `stietime step ingest` would
leave it, with the sample sheet that leads to it.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks import scale_counts
from benchmarks.scale_panel import AMBIENT_UMI, N_GENES, panel
from stietime import names, storage
from stietime.sample import Sample
from stietime.simulate import cohort
from stietime.simulate import counts as droplet_counts
from stietime.simulate.reference import named_rng, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anndata as ad

    from benchmarks.scale_counts import Floats

CELLS_PER_BLOCK: Final = 2000
CELLS_PER_CAPTURE: Final = 10_000
MIN_PATIENTS, MAX_BATCHES = 8, 10
DYING_SHARE: Final = 0.05
ENVIRONMENTS: Final[tuple[tuple[Literal["STIE", "TIME"], str], ...]] = (("STIE", "blood"), ("TIME", "tumour"))
SHEET: Final = "samples.tsv"


def design(n_cells: int) -> list[tuple[Sample, int]]:
    """List the captures of a cohort with so many cells, and the number of cells of each.

    Parameters
    ----------
    n_cells
        Number of droplets of the cohort, doublets and dying cells included.

    Returns
    -------
    Rows of the sample sheet, each with its number of cells; paths are `captures/<sample>.h5ad`.
    """
    n_patients = max(MIN_PATIENTS, round(n_cells / (CELLS_PER_CAPTURE * len(ENVIRONMENTS))))
    n_batches = min(n_patients, MAX_BATCHES)
    rows = [
        Sample(
            sample=f"p{number}_{tissue}",
            patient=f"p{number}",
            environment=environment,
            tissue=tissue,
            modality=names.CELLS,
            format="h5ad",
            path=f"captures/p{number}_{tissue}.h5ad",
            batch=f"batch{(number - 1) % n_batches + 1}",
            chemistry="simulated 10x 3' v3",
            species="human",
            cancer="NSCLC",
            timepoint="before",
        )
        for number in range(1, n_patients + 1)
        for environment, tissue in ENVIRONMENTS
    ]
    parts = np.diff(np.linspace(0, n_cells, len(rows) + 1).round().astype(int))
    return list(zip(rows, parts.tolist(), strict=True))


@dataclass(frozen=True)
class Capture:
    """One capture before its counts are drawn.

    Parameters
    ----------
    sample
        Row of the sample sheet.
    seed
        Seed of the cohort.
    droplets
        What is in each droplet.
    tables
        What the counts are drawn from.
    """

    sample: Sample
    seed: int
    droplets: droplet_counts.Droplets
    tables: scale_counts.Tables

    @property
    def n_blocks(self) -> int:
        """Number of blocks of `CELLS_PER_BLOCK` droplets."""
        return -(-len(self.droplets) // CELLS_PER_BLOCK)

    def block(self, number: int) -> sparse.csr_matrix:
        """Draw the counts of one block; they do not depend on whether other blocks are drawn."""
        rng = named_rng(self.seed, "counts", self.sample.sample, str(number))
        part = self.droplets.part(slice(number * CELLS_PER_BLOCK, (number + 1) * CELLS_PER_BLOCK))
        return scale_counts.draw(rng, part, self.tables)


def plan_capture(sample: Sample, n_cells: int, seed: int) -> Capture:
    """Decide what is in each droplet, and the expression of each population in the capture.

    Doublets are 0.8 % of the droplets for every 1,000 of them, between 4 and 8 %.

    Parameters
    ----------
    sample
        Row of the sample sheet.
    n_cells
        Number of droplets.
    seed
        Seed of the cohort.
    """
    made = cohort.Sample(sample.patient, sample.environment, sample.timepoint)
    source = reference()
    probability = cohort.planned_composition(made, seed).reindex(source.populations.index).to_numpy()
    profiles = _profiles(sample, seed)
    rng = named_rng(seed, "droplets", sample.sample)
    # batches differ in depth by up to 35 %, evenly about 1
    batch = np.sin(2.4 * int(sample.batch.removeprefix("batch")))
    depth = np.exp(0.15 * batch + rng.normal(0, 0.05))
    median_umi = panel().median_umi * depth
    droplets = _fill(rng, probability, median_umi, n_cells)
    ambient = (probability * median_umi) @ profiles
    tables = scale_counts.prepare(profiles, ambient / ambient.sum(), median_umi, panel().shape, panel().group)
    return Capture(sample, seed, droplets, tables)


def _fill(
    rng: np.random.Generator, probability: Floats, median_umi: Floats, n_cells: int
) -> droplet_counts.Droplets:
    population = rng.choice(len(probability), n_cells, p=probability)
    droplets = droplet_counts.single_cells(rng, population, median_umi, AMBIENT_UMI)
    n_doublets = round(n_cells * float(np.clip(0.008 * n_cells / 1000, 0.04, 0.08)))
    n_dying = round(n_cells * DYING_SHARE)
    order = rng.permutation(n_cells)
    second = rng.choice(len(probability), n_doublets, p=probability)
    partners = droplet_counts.single_cells(rng, second, median_umi, AMBIENT_UMI)
    droplets = droplet_counts.add_doublets(rng, droplets, order[:n_doublets], partners)
    return droplet_counts.add_dying(rng, droplets, order[n_doublets : n_doublets + n_dying])


def _profiles(sample: Sample, seed: int) -> Floats:
    """Let batch, capture, patient and tissue act on the shares of the genes."""
    source = reference()
    effect = named_rng(seed, "batch", sample.batch).normal(0, 0.25, N_GENES)
    effect += named_rng(seed, "capture", sample.sample).normal(0, 0.05, N_GENES)
    effect += _some(named_rng(seed, "patient", sample.patient), 0.2, 0.3)
    if sample.environment == names.TIME:
        effect[source.stress] += np.log(cohort.TUMOUR_STRESS)
    effects = np.repeat(effect[None], len(source.populations), axis=0)
    malignant = source.populations.index.str.startswith("malignant")
    effects[malignant] += _some(named_rng(seed, "malignant", sample.patient), 0.5, 0.6)
    profiles: Floats = panel().profiles * np.exp(effects)
    return profiles / profiles.sum(axis=1, keepdims=True)


def _some(rng: np.random.Generator, share: float, spread: float) -> Floats:
    return np.where(rng.random(N_GENES) < share, rng.normal(0, spread, N_GENES), 0)


def as_ingested(capture: Capture) -> ad.AnnData:
    """Draw all blocks of a capture and label its cells as `stietime step ingest` does."""
    import anndata as ad

    sample, n = capture.sample, len(capture.droplets)
    blocks = [capture.block(number) for number in range(capture.n_blocks)]
    matrix = sparse.csr_matrix(sparse.vstack(blocks, format="csr"))
    truth = cohort.truth_of(capture.droplets, reference().populations)
    barcodes = droplet_counts.barcodes(named_rng(capture.seed, "barcodes", sample.sample), n)
    carried = {key: pd.Categorical([value] * n) for key, value in sample.carried().items()}
    own = {f"{names.SOURCE_PREFIX}{key}": pd.Categorical(value) for key, value in truth.items()}
    index = pd.Index([names.cell_id(sample.sample, barcode) for barcode in barcodes], dtype=object)
    obs = pd.DataFrame({**carried, **own}, index=index)
    cells = ad.AnnData(matrix, obs=obs, var=pd.DataFrame(index=panel().genes))
    facts = {"path": sample.path, "format": sample.format, "counts_from": "X", "n_cells": n}
    cells.uns["ingest"] = {**facts, "n_cells_in_file": n, "n_genes": N_GENES, "n_genes_in_file": N_GENES}
    return cells


def write_cohort(folder: Path, n_cells: int, seed: int = 1) -> Iterator[Path]:
    """Write the captures of a cohort and their sample sheet, one capture in memory at a time.

    Parameters
    ----------
    folder
        Receives `captures/<sample>.h5ad` and `samples.tsv`.
    n_cells
        Number of droplets of the cohort.
    seed
        Seed of the cohort.

    Yields
    ------
    The path of each capture, when it is written.
    """
    captures = design(n_cells)
    fields = [name for name in Sample.model_fields if name not in {"extra", "subset", "raw_path", "response"}]
    rows = [{name: getattr(sample, name) for name in fields} for sample, _ in captures]
    for row in rows:
        row["path"] = str(folder / row["path"])
    for sample, n in captures:
        path = folder / sample.path
        storage.write_cells(as_ingested(plan_capture(sample, n, seed)), path)
        yield path
    storage.write_table(pd.DataFrame(rows), folder / SHEET)


def link_run(data: Path, run: Path) -> Path:
    """Lay out a run that begins with ingested files: hard links to the captures, and a configuration.

    Parameters
    ----------
    data
        Folder that `write_cohort` filled.
    run
        Folder of the run.

    Returns
    -------
    The configuration.
    """
    outputs = names.Outputs(str(run / "results"))
    for sample in storage.read_table(data / SHEET)["sample"]:
        target = Path(outputs.counts.format(sample=sample))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(data / "captures" / f"{sample}.h5ad", target)
    config = run / "config.yaml"
    storage.write_text(f"samples: {data / SHEET}\nresults_dir: {outputs.results_dir}\n", config)
    return config


def main() -> None:
    """Write a cohort."""
    parser = argparse.ArgumentParser(description="write captures of realistic sparsity")
    parser.add_argument("folder", type=Path)
    parser.add_argument("n_cells", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begin = time.monotonic()
    for path in write_cohort(arguments.folder.resolve(), arguments.n_cells, arguments.seed):
        print(f"{time.monotonic() - begin:.1f} s", path)


if __name__ == "__main__":
    main()
