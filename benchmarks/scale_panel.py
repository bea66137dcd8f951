"""Genes and populations of the benchmark of scale: those of `stietime simulate`, and 17,000 weak genes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from benchmarks import scale_counts
from stietime.simulate.counts import DEPTH_SPREAD
from stietime.simulate.reference import named_rng, read_composition, reference

if TYPE_CHECKING:
    from benchmarks.scale_counts import Floats, Groups

N_GENES: Final = 20_000
MEDIAN_UMI: Final = 2500
AMBIENT_UMI: Final = 75.0
WEAK_SHARE: Final = 0.2  # of the counts, in the weak genes together


@dataclass(frozen=True)
class Panel:
    """Genes and populations of the captures.

    Parameters
    ----------
    genes
        Gene symbols; those of the marker sets are among them.
    profiles
        Expected share of each gene (populations x genes); rows sum to 1.
    median_umi
        Median UMI of each population.
    shape
        Shape of the gamma factor of each gene.
    group
        Group of each gene, see `benchmarks.scale_counts.prepare`.
    """

    genes: pd.Index
    profiles: Floats
    median_umi: Floats
    shape: Floats
    group: Groups


@functools.cache
def panel() -> Panel:
    """Add weak genes to those of the package's simulation; some differ between lineages and populations."""
    source = reference()
    n_weak = N_GENES - len(source.genes)
    level = np.exp(named_rng(0, "weak genes").normal(0, 1.5, n_weak))
    weak = np.stack([level * _differences(row, n_weak) for row in _words()])
    share = np.where(source.populations.index == "red_cell", WEAK_SHARE / 10, WEAK_SHARE)[:, None]
    weak *= share / weak.sum(axis=1, keepdims=True)
    genes = [*source.genes, *(f"AL{number:06d}.1" for number in range(1, n_weak + 1))]
    group = np.zeros(N_GENES, dtype=np.int8)
    for value, places in enumerate((source.stress, source.ribo, source.mito)):
        group[places] = scale_counts.STRESS - value
    dispersion = np.concatenate([source.dispersion, np.full(n_weak, 0.25)])
    profiles = np.hstack([source.profiles * (1 - share), weak])
    return Panel(pd.Index(genes), profiles, _depths(source.populations), 1 / dispersion, group)


def _words() -> list[tuple[str, str, str]]:
    table = reference().populations
    return [(row["lineage"], row["cell_type"], str(name)) for name, row in table.iterrows()]


def _differences(words: tuple[str, str, str], n: int) -> Floats:
    """Draw factors of genes that a lineage shares, then a cell type, then a population."""
    factor = np.zeros(n)
    for word, share, spread in zip(words, (0.35, 0.08, 0.03), (0.8, 0.5, 0.4), strict=True):
        rng = named_rng(0, "weak", word)
        factor += np.where(rng.random(n) < share, rng.normal(0, spread, n), 0)
    return np.exp(factor)


def _depths(populations: pd.DataFrame) -> Floats:
    """Scale the depths of the populations so that the median of blood and tumour together is as wanted."""
    table = read_composition()
    share = table[["blood_before", "tumour_before"]].sum(axis=1)
    types = share[table["parent"] == "all"].set_axis(table.loc[table["parent"] == "all", "entity"])
    inside = table.assign(share=share)[table["parent"] != "all"].set_index("entity")
    # both columns of a type that one environment lacks still sum to the type's own share
    within = inside["share"] / inside.groupby("parent")["share"].transform("sum")
    weight = (within * inside["parent"].map(types)).reindex(populations.index).to_numpy()
    median = populations["median_umi"].to_numpy()
    spread = np.exp(DEPTH_SPREAD * np.linspace(-2.5, 2.5, 41))
    bell = np.exp(-(np.linspace(-2.5, 2.5, 41) ** 2) / 2)
    values, weights = np.outer(median, spread).ravel(), np.outer(weight, bell).ravel()
    order = np.argsort(values)
    middle = values[order][np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)]
    return np.asarray(median * (MEDIAN_UMI - AMBIENT_UMI) / middle, dtype=np.float64)
