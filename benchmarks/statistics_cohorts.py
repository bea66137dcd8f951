"""Simulated cohorts of counts with the frequencies of real cells: patients, samples, depths.

Three models. `PBMC`: the 30 cell groups of 20 PBMC samples (sccomp's example data), logistic-normal, each
group with the spread that it has between those samples, half of the variance between patients and half
between the samples of a patient. `lung`: the lineages of 300 cells of lung tumour and blood (Zilionis 2019),
Dirichlet of precision 120 between patients and 60 between their samples, so that rare lineages are skewed.
The test was chosen on these two. `T cells`, with which nothing was chosen: the 20 clusters of T cells in
blood, normal tissue and tumour of 12 patients with colorectal cancer (Zhang 2018), logistic-normal as `PBMC`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.public_data import DATA, ZILIONIS
from benchmarks.zilionis_types import UNMAPPED, authors_group
from stietime.h5ad_parts import read_frame

Array = NDArray[np.float64]

ZHANG: Final = DATA / "zhang2018_crc_tcell_labels_blood_normal_tumor" / "example.cloneDat.Zhang2018.txt"
PBMC: Final = DATA / "sccomp_breast_cancer_pbmc_composition" / "composition_long.csv"
DEPTH_SPREAD: Final = 0.5  # log sd between samples
LEAST_DEPTH: Final = 50
LEAST_VARIANCE: Final = 0.05  # of the log, of a group whose samples differ no more than by counting
PRECISIONS: Final = (120.0, 60.0)


@dataclass(frozen=True)
class Model:
    """How the composition of a sample is drawn.

    Parameters
    ----------
    name
        Its name.
    share
        Mean share of each type.
    spread
        Log sd between samples of different patients, for logistic-normal; None for Dirichlet.
    """

    name: str
    share: Array
    spread: Array | None

    def draw(self, rng: np.random.Generator, n: int, shift: Array | float, *, paired: bool) -> Array:
        """Draw the true composition of both samples of n patients, the first arm shifted in log.

        Returns
        -------
        n x 2 x types; rows sum to 1. If not paired, both samples are of different patients.
        """
        k = len(self.share)
        patients = 1 if paired else 2
        if self.spread is not None:
            half = self.spread * np.sqrt(0.5)
            logs = np.log(self.share) + rng.normal(size=(n, patients, k)) * half
            logs = logs + rng.normal(size=(n, 2, k)) * half
        else:
            patient = rng.standard_gamma(np.broadcast_to(PRECISIONS[0] * self.share, (n, patients, k)))
            patient = patient / patient.sum(axis=-1, keepdims=True)
            shapes = np.broadcast_to(np.maximum(PRECISIONS[1] * patient, 1e-3), (n, 2, k))
            logs = np.log(np.maximum(rng.standard_gamma(shapes), 1e-300))
        logs = logs.copy()
        logs[:, 0] += shift
        chances = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=-1, keepdims=True))

    def shift(self, size: float) -> tuple[Array, NDArray[np.intp]]:
        """Choose three types, a frequent, a middling and a rarer one, and shift them up, down and up."""
        order = np.argsort(self.share)
        k = len(order)
        moved = order[[k - 3, k // 2, k // 4]]
        logs = np.zeros(k)
        logs[moved] = size * np.array([1.0, -1.0, 1.0])
        return logs, moved


@dataclass(frozen=True)
class Cohort:
    """Cells of each type in both samples of the patients of one draw.

    Parameters
    ----------
    first, second
        Patients x types.
    """

    first: Array
    second: Array

    @property
    def fractions(self) -> tuple[Array, Array]:
        """Raw fractions of both arms."""
        first, second = (counts / counts.sum(axis=1, keepdims=True) for counts in (self.first, self.second))
        return first, second


def models() -> list[Model]:
    """Read the frequencies of real cells; a model whose data are not there is left out."""
    found = []
    if PBMC.is_file():
        found.append(_pbmc())
    if ZILIONIS.is_file():
        found.append(_lung())
    if ZHANG.is_file():
        found.append(_t_cells())
    return found


def _pbmc() -> Model:
    table = pd.read_csv(PBMC)
    counts = table.pivot_table(index="sample", columns="cell_group", values="Freq", fill_value=0)
    kind = table.drop_duplicates("sample").set_index("sample")["type"].reindex(counts.index)
    return _logistic_normal("PBMC", counts, kind)


def _t_cells() -> Model:
    table = pd.read_csv(ZHANG, sep="\t")
    counts = pd.crosstab([table["patient"], table["loc"]], table["majorCluster"])
    counts = counts[counts.sum(axis=1) >= LEAST_DEPTH]
    return _logistic_normal("T cells", counts, pd.Series(counts.index.get_level_values("loc"), counts.index))


def _logistic_normal(name: str, counts: pd.DataFrame, kind: pd.Series) -> Model:
    """Take the spread of each type between samples of a kind, without what counting alone gives."""
    logs = pd.DataFrame(np.log(counts.to_numpy() + 0.5), index=counts.index, columns=counts.columns)
    centred = logs.sub(logs.mean(axis=1), axis=0)
    within = centred - centred.groupby(kind).transform("mean")
    by_counting = (1 / (counts + 0.5)).mean()
    variance = (within**2).sum() / (len(counts) - kind.nunique()) - by_counting
    share = counts.div(counts.sum(axis=1), axis=0).mean().to_numpy()
    return Model(name, share, np.sqrt(np.maximum(variance.to_numpy(), LEAST_VARIANCE)))


def _lung() -> Model:
    labels = read_frame(ZILIONIS, "obs", ["Major.cell.type"])["Major.cell.type"].astype(str)
    groups = labels[~labels.isin(UNMAPPED)].map(authors_group)
    return Model("lung", np.asarray(groups.value_counts(normalize=True), dtype=np.float64), None)


def draw_cohort(
    rng: np.random.Generator,
    model: Model,
    sizes: tuple[int, int],
    depths: tuple[int, int],
    *,
    paired: bool,
    shift: Array | float = 0.0,
) -> Cohort:
    """Draw the counts of one cohort.

    Parameters
    ----------
    rng
        Source of randomness.
    model
        The model of compositions.
    sizes
        Patients of either arm; equal if paired.
    depths
        Median cells of the samples of either arm.
    paired
        Whether both arms are of the same patients.
    shift
        What the log share of each type is moved by in the first arm.
    """
    n = max(sizes)
    chances = model.draw(rng, n, shift, paired=paired)
    drawn = np.exp(rng.normal(0, DEPTH_SPREAD, (n, 2))) * np.array(depths)
    counts = rng.multinomial(np.maximum(LEAST_DEPTH, drawn).astype(int), chances).astype(float)
    return Cohort(counts[: sizes[0], 0], counts[: sizes[1], 1])


def true_log_odds(model: Model, shift: Array | float, *, n: int = 40_000, seed: int = 0) -> Array:
    """Average the difference of the log-odds between both arms over many patients."""
    chances = model.draw(np.random.default_rng(seed), n, shift, paired=True)
    logs = np.log(np.maximum(chances, 1e-300)) - np.log1p(-np.minimum(chances, 1 - 1e-12))
    return np.asarray((logs[:, 0] - logs[:, 1]).mean(axis=0))
