"""T-cell receptors of simulated cells: clones that circulate, keep to the tumour, or come with treatment."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from stietime import names
from stietime.simulate.reference import named_rng

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stietime.simulate.cohort import Sample

Objects = npt.NDArray[np.object_]

T_CELL: Final = "t_cell"
REPLACED: Final = 0.45  # of the exhausted cells of a treated tumour: in clones that it did not have before
ALPHA_SEEN, BETA_SEEN = 0.9, 0.95  # share of the cells whose chain is captured
N_RESIDUES: Final = 13  # of a CDR3, the conserved cysteine and phenylalanine included
# codons that leave no stop in the reading frame, one for each residue
CODONS: Final = {
    "A": "GCC", "D": "GAC", "E": "GAG", "F": "TTC", "G": "GGC", "H": "CAC", "I": "ATC", "K": "AAG",
    "L": "CTG", "N": "AAC", "P": "CCC", "Q": "CAG", "R": "CGC", "S": "AGC", "T": "ACC", "V": "GTG",
    "W": "TGG", "Y": "TAC",
}  # fmt: skip
V_GENES: Final = {
    "TRA": ("TRAV1-2", "TRAV8-3", "TRAV12-1", "TRAV13-1", "TRAV14DV4", "TRAV17", "TRAV21", "TRAV26-1"),
    "TRB": ("TRBV2", "TRBV5-1", "TRBV6-5", "TRBV7-9", "TRBV9", "TRBV12-3", "TRBV19", "TRBV20-1", "TRBV28"),
}
AIRR_COLUMNS: Final = (
    *("sequence_id", "cell_id", "locus", "v_call", "junction", "junction_aa", "productive", "umi_count"),
)


@dataclass(frozen=True)
class Pool:
    """Clones that the cells of some populations of a patient belong to.

    Parameters
    ----------
    n_clones
        Their number; the k-th is 1/k times as frequent as the first.
    share
        Share of the cells of each population that are in one of them.
    """

    n_clones: int
    share: dict[str, float]


# what is in no pool is in a clone of its own
POOLS: Final = {
    "circulating": Pool(15, {"cd8_effector": 0.75, "cd8_memory": 0.35}),
    "exhausted": Pool(15, {"texp": 0.8, "tex_terminal": 0.9}),
    "regulatory": Pool(25, {"treg_tumour": 0.5, "treg_blood": 0.1}),
    "helper": Pool(40, {"cd4_memory": 0.3, "th_cxcl13": 0.5}),
}
NEW: Final = Pool(12, {"texp": 0.8, "tex_terminal": 0.9})  # in the tumour after treatment; see `REPLACED`
NEW_IN_BLOOD: Final = 0.12  # of the circulating effectors, before and after


def clones_of(populations: npt.NDArray[np.object_], sample: Sample, seed: int) -> Objects:
    """Draw the clone of every T cell of a sample.

    Blood and tumour share the circulating clones of effector and memory CD8 cells; exhausted cells belong to
    clones of the tumour; after treatment the share `REPLACED` of them belongs to clones that the tumour did
    not have and the blood did, as the review asks after the origin of therapy's T cells.

    Parameters
    ----------
    populations
        Population of each cell; empty where it is no T cell.
    sample
        The sample.
    seed
        Seed of the cohort.

    Returns
    -------
    Names of clones, unique over the cohort; empty where there is none.
    """
    rng = named_rng(seed, "receptors", sample.name)
    chance, rank, fresh = (rng.random(len(populations)) for _ in range(3))
    clones = np.full(len(populations), "", dtype=object)
    for position in np.flatnonzero(populations != ""):
        population = str(populations[position])
        name, pool = _pool_of(population, sample, float(fresh[position]))
        if pool is not None and chance[position] < pool.share[population]:
            number = int(np.searchsorted(_frequencies(pool.n_clones), rank[position]))
            clones[position] = f"{sample.patient}_{name}_{number + 1}"
        else:
            clones[position] = f"{sample.name}_{position + 1}"
    return clones


def _pool_of(population: str, sample: Sample, fresh: float) -> tuple[str, Pool | None]:
    """Choose the pool of a cell: the new one by chance, else that of its population."""
    treated = sample.environment == names.TIME and sample.timepoint == "after"
    if population in NEW.share and treated and fresh < REPLACED:
        return "new", NEW
    if population == "cd8_effector" and sample.environment == names.STIE and fresh < NEW_IN_BLOOD:
        return "new", Pool(NEW.n_clones, {population: 1.0})
    found = ((name, pool) for name, pool in POOLS.items() if population in pool.share)
    return next(found, ("", None))


@functools.cache
def _frequencies(n_clones: int) -> npt.NDArray[np.float64]:
    weights = 1 / np.arange(1, n_clones + 1)
    return np.asarray(np.cumsum(weights) / weights.sum())


@functools.cache
def chain(clone: str, locus: str) -> tuple[str, str, str]:
    """Make a chain of a clone, always the same: V gene, CDR3 in nucleotides, CDR3 in residues."""
    rng = named_rng(0, "chain", locus, clone)
    inner = rng.choice(list(CODONS), N_RESIDUES - 2)
    residues = "".join(["C", *inner, "F"])
    nucleotides = "TGC" + "".join(CODONS[residue] for residue in inner) + CODONS["F"]
    return str(rng.choice(V_GENES[locus])), nucleotides, residues


def airr_table(obs: pd.DataFrame, sample: Sample, seed: int) -> pd.DataFrame:
    """Write down the receptors of a sample as AIRR rearrangements, one row for each chain that was captured.

    A doublet shows the chains of both cells; of a dying cell none is captured.

    Parameters
    ----------
    obs
        Truth of the cells, with true_clone, true_partner_clone and true_kind.
    sample
        The sample.
    seed
        Seed of the cohort.
    """
    rng = named_rng(seed, "chains", sample.name)
    rows = [
        row
        for column in ("true_clone", "true_partner_clone")
        for cell, clone in obs.loc[obs["true_kind"] != "dying", column].items()
        if clone
        for row in _chains(rng, str(cell), str(clone))
    ]
    rows.sort(key=lambda row: row[1])
    numbered = [(f"{row[1]}_{number}", *row[1:]) for number, row in enumerate(rows, 1)]
    return pd.DataFrame(numbered, columns=list(AIRR_COLUMNS))


def _chains(rng: np.random.Generator, cell: str, clone: str) -> Iterator[tuple[str, ...]]:
    for locus, seen in (("TRA", ALPHA_SEEN), ("TRB", BETA_SEEN)):
        molecules = 1 + int(rng.poisson(4))
        if rng.random() < seen:
            gene, nucleotides, residues = chain(clone, locus)
            yield "", cell, locus, f"{gene}*01", nucleotides, residues, "T", str(molecules)
