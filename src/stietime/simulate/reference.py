"""What the simulated cells are made of: genes, populations and the mean expression of each population.

Levels of marker genes are set by hand, in counts per 10,000, after public blood and lung tumour data; the
names of background genes are real and stand in the order of their expression in such data.
"""

from __future__ import annotations

import functools
import re
import zlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from stietime import resources

if TYPE_CHECKING:
    from collections.abc import Iterable

Floats = npt.NDArray[np.float64]

MITO_WEIGHTS: Final = {
    "MT-CO1": 1.0, "MT-CO3": 1.0, "MT-CO2": 0.95, "MT-ATP6": 0.8, "MT-ND4": 0.6, "MT-CYB": 0.6, "MT-ND1": 0.5,
    "MT-ND2": 0.45, "MT-ND3": 0.4, "MT-ND5": 0.12, "MT-ND4L": 0.08, "MT-ATP8": 0.03, "MT-ND6": 0.015,
}  # fmt: skip
RIBO_LARGE: Final = (
    *(
        f"RPL{n}"
        for n in (3, 4, 5, 6, 7, 8, 9, *range(11, 16), *range(18, 20), *range(21, 25), *range(26, 33))
    ),
    *(
        "RPL7A",
        "RPL10",
        "RPL10A",
        "RPL13A",
        "RPL17",
        "RPL18A",
        "RPL23A",
        "RPL27A",
        "RPL34",
        "RPL35",
        "RPL35A",
    ),
    *("RPL36", "RPL36A", "RPL36AL", "RPL37", "RPL37A", "RPL38", "RPL39", "RPL41", "RPLP0", "RPLP1", "RPLP2"),
)
RIBO_SMALL: Final = (
    *("RPSA", "RPS2", "RPS3", "RPS3A", "RPS4X", "RPS4Y1", "RPS27A", "RPS27L", "RPS15A"),
    *(f"RPS{n}" for n in range(5, 30) if n != 22),
)
STRESS_GENES: Final = (
    *(
        "FOS",
        "FOSB",
        "JUN",
        "JUNB",
        "JUND",
        "EGR1",
        "IER2",
        "IER3",
        "ATF3",
        "DUSP1",
        "BTG2",
        "ZFP36",
        "NFKBIA",
    ),
    *(
        "HSPA1A",
        "HSPA1B",
        "HSP90AA1",
        "HSP90AB1",
        "HSPA8",
        "HSPB1",
        "HSPE1",
        "HSPD1",
        "HSPH1",
        "DNAJB1",
        "DNAJA1",
    ),
)
LEAK_CP10K: Final = 0.02  # genes that no programme of a population names are never quite silent


@dataclass(frozen=True)
class Reference:
    """Genes, populations and profiles, the same for every seed.

    Parameters
    ----------
    genes
        Gene symbols.
    populations
        One row per population: lineage, cell_type, state, median_umi, pct_mito, pct_ribo.
    profiles
        Expected share of each gene (populations x genes); rows sum to 1.
    dispersion
        Negative-binomial dispersion per gene: variance = mean + dispersion * mean^2.
    mito, ribo, stress
        Positions of the genes of these groups.
    """

    genes: pd.Index
    populations: pd.DataFrame
    profiles: Floats
    dispersion: Floats
    mito: npt.NDArray[np.intp]
    ribo: npt.NDArray[np.intp]
    stress: npt.NDArray[np.intp]

    def positions(self, genes: Iterable[str]) -> npt.NDArray[np.intp]:
        """Give the positions of genes, in their order; every one must be there."""
        return positions(self.genes, genes)


def named_rng(seed: int, *words: str) -> np.random.Generator:
    """Make a random generator that depends on a seed and on names, and on nothing else.

    Parameters
    ----------
    seed
        The seed of the cohort.
    words
        What the generator is for, such as the name of a sample.
    """
    key = tuple(zlib.crc32(word.encode()) for word in words)
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=key))


def positions(index: pd.Index, genes: Iterable[str]) -> npt.NDArray[np.intp]:
    """Give the positions of genes in an index, in their order.

    Raises
    ------
    ValueError
        A gene is not there.
    """
    wanted = pd.Index(list(genes), dtype=index.dtype)
    at: npt.NDArray[np.intp] = index.get_indexer(wanted)
    if (at < 0).any():
        message = f"genes that are not simulated: {', '.join(wanted[at < 0])}"
        raise ValueError(message)
    return at


def _lines(name: str) -> list[str]:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()


def _table(name: str) -> pd.DataFrame:
    header, *rows = (line.split("\t") for line in _lines(name))
    return pd.DataFrame(rows, columns=header)


@functools.cache
def read_populations() -> pd.DataFrame:
    """Read the populations, one row each, indexed by name.

    Returns
    -------
    lineage, cell_type, state, programs (names, later ones override), median_umi, pct_mito, pct_ribo.
    """
    table = _table("populations.tsv").set_index("population")
    numbers = ["median_umi", "pct_mito", "pct_ribo"]
    return table.assign(**{column: table[column].astype(float) for column in numbers})


@functools.cache
def read_programs() -> dict[str, dict[str, float]]:
    """Read the programmes: for each the genes and their levels in counts per 10,000."""
    table = _table("programs.tsv")
    pairs = {
        name: [item.rsplit(":", 1) for item in genes.split()]
        for name, genes in zip(table["program"], table["genes"], strict=True)
    }
    return {name: {gene: float(level) for gene, level in items} for name, items in pairs.items()}


@functools.cache
def read_composition() -> pd.DataFrame:
    """Read the planted shares.

    Returns
    -------
    entity, parent (`all`, or the cell type or lineage), and one column per environment and time.
    """
    table = _table("composition.tsv")
    columns = [column for column in table.columns if column not in {"entity", "parent"}]
    return table.assign(**{column: table[column].astype(float) for column in columns})


def claimed_genes() -> set[str]:
    """Collect the genes that the reviews' claims name, micro-RNAs (which droplets do not hold) left out."""
    claims, markers = resources.read_claims(), resources.read_markers()
    sets = set(markers["set_id"])
    entities = claims.loc[
        claims["testable"].isin(["gene_expression", "protein_or_metabolite_only"]), "entity_id"
    ]
    return {name for name in entities if name not in sets and re.fullmatch(r"[A-Z][A-Z0-9-]+", name)}


def _background_levels(background: list[str]) -> dict[str, float]:
    """Give levels by rank, in counts per 10,000, as in PBMC: 520 / rank, flatter beyond rank 100."""
    rank = np.arange(1, len(background) + 1)
    levels = np.where(rank <= 100, 520 / rank, 5.2 * (rank / 100) ** -0.75)
    return dict(zip(background, levels.tolist(), strict=True))


def _lineage_noise(words: tuple[str, str, str], n_genes: int) -> Floats:
    """Draw factors of genes: many differ between lineages, fewer between types, fewest between states."""
    factor = np.zeros(n_genes)
    for word, share, spread in zip(words, (0.35, 0.08, 0.03), (0.8, 0.4, 0.3), strict=True):
        rng = named_rng(0, "noise", word)
        hit = rng.random(n_genes) < share
        factor += np.where(hit, rng.normal(0, spread, n_genes), 0)
    return np.exp(factor)


def _profile(row: pd.Series, genes: pd.Index, base: Floats, groups: dict[str, Floats]) -> Floats:
    """Give the expression of one population: programmes as written, background fills up to 10,000."""
    words = (row["lineage"], row["cell_type"], str(row.name))
    level = base * _lineage_noise(words, len(genes))
    named = np.zeros(len(genes), dtype=bool)
    for program in row["programs"].split():
        items = read_programs()[program]
        at = positions(genes, items)
        level[at] = list(items.values())
        named[at] = True
    shares = {"mito": row["pct_mito"] / 100, "ribo": row["pct_ribo"] / 100}
    left = max(1e4 * (1 - sum(shares.values())) - level[named].sum(), 200.0)
    level[~named] *= left / level[~named].sum()
    level *= (1 - sum(shares.values())) / level.sum()
    for name, share in shares.items():
        level += share * groups[name]
    return level


def _gene_list(background: list[str]) -> pd.Index:
    """List every gene once, sorted."""
    named = {gene for items in read_programs().values() for gene in items}
    markers = set(resources.read_markers()["gene"])
    ribo = {*RIBO_LARGE, *RIBO_SMALL}
    return pd.Index(sorted(named | markers | claimed_genes() | ribo | set(background) | set(MITO_WEIGHTS)))


def _group_weights(genes: pd.Index) -> dict[str, Floats]:
    """Weights of the mitochondrial and ribosomal genes within their group; each sums to 1."""
    ribo_names = [*RIBO_LARGE, *RIBO_SMALL]
    ribo_levels = np.exp(named_rng(0, "ribo").normal(0, 0.9, len(ribo_names)))
    groups = {"mito": MITO_WEIGHTS, "ribo": dict(zip(ribo_names, ribo_levels, strict=True))}
    weights = {}
    for name, levels in groups.items():
        weight = np.zeros(len(genes))
        weight[positions(genes, levels)] = list(levels.values())
        weights[name] = weight / weight.sum()
    return weights


@functools.cache
def reference() -> Reference:
    """Assemble genes, populations and profiles; they depend on the package only, not on a seed."""
    background = _lines("background_genes.txt")
    genes = _gene_list(background)
    populations = read_populations()
    base = np.full(len(genes), LEAK_CP10K)
    levels = _background_levels(background)
    base[positions(genes, levels)] = list(levels.values())
    groups = _group_weights(genes)
    base[(groups["mito"] + groups["ribo"]) > 0] = 0
    profiles = np.stack([_profile(row, genes, base, groups) for _, row in populations.iterrows()])
    dispersion = np.exp(named_rng(0, "dispersion").normal(np.log(0.25), 0.6, len(genes)))
    stress = positions(genes, STRESS_GENES)
    mito, ribo = (np.flatnonzero(groups[name]) for name in ("mito", "ribo"))
    return Reference(genes, populations, profiles, dispersion, mito, ribo, stress)
