"""Samples of a simulated cohort: blood and tumour of each patient, before and after immunotherapy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from stietime import names
from stietime.simulate import counts as droplet_counts
from stietime.simulate.receptors import T_CELL, clones_of
from stietime.simulate.reference import Reference, named_rng, read_composition, reference

if TYPE_CHECKING:
    import anndata as ad

Floats = npt.NDArray[np.float64]
Environment = Literal["STIE", "TIME"]
Timepoint = Literal["before", "after"]

TISSUES: Final = {names.STIE: "blood", names.TIME: "tumour"}
TIMEPOINTS: Final = ("before", "after")
BATCH_DEPTH: Final = {"batch1": 1.1, "batch2": 0.85}
IMMUNOTHERAPY: Final = {  # factors of gene expression after treatment, in the directions of the reviews
    names.TIME: {"IFNG": 2.0, "TNF": 2.0, "CD274": 2.0, "CD38": 1.8, "TGFB1": 1.5, "IL2": 0.4, "CXCL13": 1.6},
    names.STIE: {"PDCD1": 2.0, "ICOS": 1.8, "IL2RA": 1.5, "MKI67": 1.8},
}
TUMOUR_STRESS: Final = 1.6  # dissociation raises early-response and heat-shock genes in tumour


@dataclass(frozen=True)
class Artefacts:
    """What is planted in a sample besides single healthy cells.

    Parameters
    ----------
    doublet_share
        Share of the droplets that hold two cells.
    dying_share
        Share of the droplets whose cell is dying.
    ambient_umi
        Median UMI of ambient RNA in a droplet.
    neutrophil_depth
        Factor of the UMI of neutrophils; 0.6 leaves them 200 to 400 genes.
    """

    doublet_share: float = 0.04
    dying_share: float = 0.05
    ambient_umi: float = 75.0
    neutrophil_depth: float = 1.0


@dataclass(frozen=True)
class Sample:
    """One sample of the design.

    Parameters
    ----------
    patient
        `p1`, `p2`, ...; odd patients are in batch1, even ones in batch2.
    environment
        STIE (blood) or TIME (tumour).
    timepoint
        before or after immunotherapy.
    """

    patient: str
    environment: str
    timepoint: str

    @property
    def tissue(self) -> str:
        """Blood or tumour."""
        return TISSUES[self.environment]

    @property
    def name(self) -> str:
        """Name of the sample, such as `p1_blood_before`."""
        return f"{self.patient}_{self.tissue}_{self.timepoint}"

    @property
    def batch(self) -> str:
        """Batch of the patient: both environments are in the same batch."""
        return batch_of(self.patient)


def batch_of(patient: str) -> str:
    """Name the batch of a patient: odd numbers batch1, even numbers batch2."""
    return "batch1" if int(patient.removeprefix("p")) % 2 else "batch2"


def design(n_patients: int) -> list[Sample]:
    """List the samples of a cohort of so many patients, four each."""
    return [
        Sample(f"p{number}", environment, timepoint)
        for number in range(1, n_patients + 1)
        for environment in TISSUES
        for timepoint in TIMEPOINTS
    ]


def planned_composition(sample: Sample, seed: int) -> pd.Series:
    """Plan the share of each population in a sample: the design, moved by the patient and by the sample.

    Shares of cell types and, within each type, of its populations are multiplied by log-normal factors
    (log sd 0.15 for the patient, the same in all its samples, and 0.1 for the sample) and scaled to sum to 1.

    Parameters
    ----------
    sample
        The sample.
    seed
        Seed of the cohort.

    Returns
    -------
    Probability by population; sums to 1.
    """
    table = read_composition()
    share = table[f"{sample.tissue}_{sample.timepoint}"].to_numpy().copy()
    for spread, words in ((0.15, (sample.patient,)), (0.1, (sample.name,))):
        share *= np.exp(named_rng(seed, "composition", *words).normal(0, spread, len(share)))
    weights = table.assign(share=share)
    weights["share"] /= weights.groupby("parent")["share"].transform("sum").replace(0, 1)
    types = weights[weights["parent"] == "all"].set_index("entity")["share"]
    inside = weights[weights["parent"] != "all"].set_index("entity")
    probability = inside["share"] * inside["parent"].map(types)
    return probability / probability.sum()


def _log_factors(rng: np.random.Generator, n: int, share: float, spread: float) -> Floats:
    return np.where(rng.random(n) < share, rng.normal(0, spread, n), 0)


def sample_profiles(sample: Sample, seed: int, source: Reference) -> Floats:
    """Work out the shares of the genes in a sample, which batch, patient, tissue and treatment act on.

    The batch multiplies every gene (log sd 0.2), the patient a fifth of the genes (log sd 0.3) and, in
    malignant cells, half of the genes (log sd 0.6); dissociation raises stress genes in tumour.

    Parameters
    ----------
    sample
        The sample.
    seed
        Seed of the cohort.
    source
        Genes and populations.

    Returns
    -------
    Shares (populations x genes); rows sum to 1.
    """
    n = len(source.genes)
    effect = named_rng(seed, "batch", sample.batch).normal(0, 0.2, n)
    effect = effect + _log_factors(named_rng(seed, "patient", sample.patient), n, 0.2, 0.3)
    if sample.environment == names.TIME:
        effect[source.stress] += np.log(TUMOUR_STRESS)
    if sample.timepoint == "after":
        factors = IMMUNOTHERAPY[sample.environment]
        effect[source.positions(factors)] += np.log(list(factors.values()))
    effects = np.repeat(effect[None], len(source.populations), axis=0)
    own = _log_factors(named_rng(seed, "malignant", sample.patient), n, 0.5, 0.6)
    effects[source.populations.index.str.startswith("malignant")] += own
    profiles: Floats = source.profiles * np.exp(effects)
    return profiles / profiles.sum(axis=1, keepdims=True)


def _fill_droplets(
    rng: np.random.Generator, probability: Floats, median_umi: Floats, n_cells: int, artefacts: Artefacts
) -> droplet_counts.Droplets:
    """Decide what is in each droplet: cells, doublets first, then dying cells among the others."""
    population = rng.choice(len(probability), n_cells, p=probability)
    droplets = droplet_counts.single_cells(rng, population, median_umi, artefacts.ambient_umi)
    n_doublets, n_dying = round(artefacts.doublet_share * n_cells), round(artefacts.dying_share * n_cells)
    order = rng.permutation(n_cells)
    second = rng.choice(len(probability), n_doublets, p=probability)
    partners = droplet_counts.single_cells(rng, second, median_umi, artefacts.ambient_umi)
    droplets = droplet_counts.add_doublets(rng, droplets, order[:n_doublets], partners)
    return droplet_counts.add_dying(rng, droplets, order[n_doublets : n_doublets + n_dying])


def truth_of(droplets: droplet_counts.Droplets, populations: pd.DataFrame) -> pd.DataFrame:
    """Write down the truth; a doublet bears the names of its cell with more RNA.

    Parameters
    ----------
    droplets
        What is in each droplet.
    populations
        Lineage, cell_type and state of each population, in the order of the droplets' positions.

    Returns
    -------
    One row per droplet: true_lineage, true_cell_type, true_state, true_kind, true_population, true_partner.
    """
    doublet = droplets.partner >= 0
    first = np.where(
        doublet & (droplets.partner_depth > droplets.depth), droplets.partner, droplets.population
    )
    second = np.where(first == droplets.population, droplets.partner, droplets.population)
    rows = populations.iloc[first]
    kind = np.select([doublet, np.isfinite(droplets.mito_share)], ["doublet", "dying"], "cell")
    partner = np.where(doublet, populations.index.to_numpy(dtype=str)[second], "")
    return pd.DataFrame(
        {
            "true_lineage": rows["lineage"].to_numpy(dtype=object),
            "true_cell_type": rows["cell_type"].to_numpy(dtype=object),
            "true_state": rows["state"].to_numpy(dtype=object),
            "true_kind": kind.astype(object),
            "true_population": rows.index.to_numpy(dtype=object),
            "true_partner": partner.astype(object),
        }
    )


def simulate_sample(
    sample: Sample, n_cells: int = 500, seed: int = 1, artefacts: Artefacts | None = None
) -> ad.AnnData:
    """Simulate one sample; its cells depend on the seed and on its own name only.

    Parameters
    ----------
    sample
        Patient, environment and timepoint.
    n_cells
        Number of droplets, doublets and dying cells included.
    seed
        Seed of the cohort.
    artefacts
        Doublets, dying cells and ambient RNA; by default those of `Artefacts`.

    Returns
    -------
    AnnData: X int32 CSR counts (cells x genes), var index gene symbols, var ambient_share (the planted
    ambient profile, sums to 1), obs index barcodes, obs true_lineage, true_cell_type, true_state, true_kind
    (cell, doublet, dying), true_population, true_partner, the population of the other cell of a doublet,
    true_ambient_umi, the expected UMI of ambient RNA, and of T cells true_clone and true_partner_clone.
    """
    source = reference()
    rng = named_rng(seed, "cells", sample.name)
    profiles = sample_profiles(sample, seed, source)
    probability = planned_composition(sample, seed).reindex(source.populations.index).to_numpy()
    depth = BATCH_DEPTH[sample.batch] * np.exp(rng.normal(0, 0.1))
    artefacts = artefacts or Artefacts()
    factor = np.where(source.populations["lineage"] == "neutrophil", artefacts.neutrophil_depth, 1.0)
    median_umi = source.populations["median_umi"].to_numpy() * depth * factor
    droplets = _fill_droplets(rng, probability, median_umi, n_cells, artefacts)
    ambient = (probability * median_umi) @ profiles
    ambient /= ambient.sum()
    matrix = droplet_counts.draw_counts(rng, droplets, profiles, ambient, source)
    obs = truth_of(droplets, source.populations).assign(true_ambient_umi=droplets.ambient)
    obs.index = droplet_counts.barcodes(rng, n_cells)
    obs = _with_clones(obs, sample, seed, source.populations["lineage"])
    cells = droplet_counts.as_anndata(matrix, obs, source.genes)
    cells.var["ambient_share"] = ambient
    return cells


def _with_clones(obs: pd.DataFrame, sample: Sample, seed: int, lineages: pd.Series) -> pd.DataFrame:
    """Give T cells their clones, and doublets that of their other cell."""
    populations = obs[["true_population", "true_partner"]].to_numpy(dtype=object).T
    is_t_cell = np.isin(populations, lineages.index[lineages == T_CELL].to_numpy(dtype=object))
    clones = clones_of(np.where(is_t_cell, populations, "").ravel(), sample, seed)
    own, partner = clones.reshape(2, -1)
    return obs.assign(true_clone=own, true_partner_clone=partner)


def simulate_cells(n_cells: int = 500, seed: int = 1, environment: Environment = "TIME") -> ad.AnnData:
    """Simulate the cells of one patient before treatment, for tests: see `simulate_sample`."""
    return simulate_sample(Sample("p1", environment, "before"), n_cells, seed)
