"""Counts of simulated droplets: negative binomial, with ambient RNA, doublets and dying cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    import anndata as ad

    from stietime.simulate.reference import Reference

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

CELLS_PER_BLOCK: Final = 1000
DEPTH_SPREAD: Final = 0.35  # sd of log depth between cells of a population
AMBIENT_SPREAD: Final = 0.4


@dataclass(frozen=True)
class Droplets:
    """What is in each droplet; arrays of one value per droplet.

    Parameters
    ----------
    population
        Position of the population of the cell.
    depth
        Expected UMI of the cell itself.
    partner
        Position of the population of the second cell of a doublet; -1 without one.
    partner_depth
        Expected UMI of the second cell.
    mito_share
        Mitochondrial share of a dying cell, 0 to 1; nan for other cells.
    ambient
        Expected UMI of ambient RNA.
    """

    population: Indices
    depth: Floats
    partner: Indices
    partner_depth: Floats
    mito_share: Floats
    ambient: Floats

    def __len__(self) -> int:
        """Count the droplets."""
        return len(self.population)

    def part(self, rows: slice) -> Droplets:
        """Take some of the droplets."""
        return replace(self, **{name: value[rows] for name, value in vars(self).items()})


def single_cells(
    rng: np.random.Generator, population: Indices, median_umi: Floats, ambient_umi: float
) -> Droplets:
    """Put one cell in each droplet, with a depth and an amount of ambient RNA.

    Parameters
    ----------
    rng
        Random generator.
    population
        Position of the population of each cell.
    median_umi
        Median UMI of each population in this sample.
    ambient_umi
        Median ambient UMI of a droplet.
    """
    n = len(population)
    depth = median_umi[population] * np.exp(rng.normal(0, DEPTH_SPREAD, n))
    ambient = ambient_umi * np.exp(rng.normal(0, AMBIENT_SPREAD, n))
    none = np.full(n, -1)
    return Droplets(population, depth, none, np.zeros(n), np.full(n, np.nan), ambient)


def add_doublets(rng: np.random.Generator, droplets: Droplets, at: Indices, partners: Droplets) -> Droplets:
    """Put a second cell into some droplets; both cells give up to a quarter less RNA than alone.

    Parameters
    ----------
    rng
        Random generator.
    droplets
        Droplets of one cell each.
    at
        Positions of the droplets that become doublets.
    partners
        The second cells, in the order of `at`.
    """
    partner, partner_depth, depth = (
        droplets.partner.copy(),
        droplets.partner_depth.copy(),
        droplets.depth.copy(),
    )
    yields = rng.uniform(0.75, 1.0, len(at))
    partner[at] = partners.population
    partner_depth[at] = partners.depth * yields
    depth[at] *= yields
    return replace(droplets, partner=partner, partner_depth=partner_depth, depth=depth)


def add_dying(rng: np.random.Generator, droplets: Droplets, at: Indices) -> Droplets:
    """Let some cells die: a fifth to a half of their RNA is left, 18 to 73 % of it mitochondrial.

    Parameters
    ----------
    rng
        Random generator.
    droplets
        Droplets of one cell each.
    at
        Positions of the droplets whose cell dies.
    """
    depth, mito_share = droplets.depth.copy(), droplets.mito_share.copy()
    depth[at] *= rng.uniform(0.2, 0.5, len(at))
    mito_share[at] = 0.18 + 0.55 * rng.beta(1.6, 2, len(at))
    return replace(droplets, depth=depth, mito_share=mito_share)


def _scale_mito(means: Floats, mito: Indices, share: Floats) -> None:
    """Raise the mitochondrial genes of dying cells to their share, and lower the rest, in place."""
    dying = np.flatnonzero(np.isfinite(share))
    if not len(dying):
        return
    rows = means[dying]
    total, inside = rows.sum(axis=1), rows[:, mito].sum(axis=1)
    target = share[dying]
    factor = np.repeat((total * (1 - target) / (total - inside))[:, None], rows.shape[1], axis=1)
    factor[:, mito] = (total * target / inside)[:, None]
    means[dying] = rows * factor


def _expected(rng: np.random.Generator, part: Droplets, profiles: Floats, reference: Reference) -> Floats:
    """Work out the expected counts (droplets x genes), ambient RNA left out."""
    means: Floats = profiles[part.population] * part.depth[:, None]
    pairs = np.flatnonzero(part.partner >= 0)
    means[pairs] += profiles[part.partner[pairs]] * part.partner_depth[pairs, None]
    for group, spread in ((reference.mito, 0.35), (reference.ribo, 0.2), (reference.stress, 0.5)):
        means[:, group] *= np.exp(rng.normal(-(spread**2) / 2, spread, len(part)))[:, None]
    _scale_mito(means, reference.mito, part.mito_share)
    return means


def draw_counts(
    rng: np.random.Generator,
    droplets: Droplets,
    profiles: Floats,
    ambient_profile: Floats,
    reference: Reference,
) -> sp.csr_matrix:
    """Draw counts block by block, so that memory does not grow with cells x genes.

    The counts of a gene in a cell are Poisson(mean * g + ambient), with g gamma of mean 1 and variance equal
    to the dispersion of the gene: negative binomial, plus ambient Poisson counts.

    Parameters
    ----------
    rng
        Random generator.
    droplets
        What is in each droplet.
    profiles
        Shares of the genes in this sample (populations x genes).
    ambient_profile
        Shares of the genes in the ambient RNA.
    reference
        Genes and their dispersion.

    Returns
    -------
    Counts, int32 (droplets x genes).
    """
    shape = (1 / reference.dispersion).astype(np.float32)
    blocks = []
    for start in range(0, len(droplets), CELLS_PER_BLOCK):
        part = droplets.part(slice(start, start + CELLS_PER_BLOCK))
        means = _expected(rng, part, profiles, reference)
        means *= rng.standard_gamma(np.broadcast_to(shape, means.shape), dtype=np.float32) / shape
        means += part.ambient[:, None] * ambient_profile
        blocks.append(sp.csr_matrix(rng.poisson(means).astype(np.int32)))
    return sp.vstack(blocks, format="csr")


def barcodes(rng: np.random.Generator, n: int) -> pd.Index:
    """Make distinct 16-base barcodes, as 10x names them; any number up to 4^16."""
    size = 4**16
    step = int(rng.integers(size // 8, size // 4)) * 2 + 1
    numbers = (np.arange(n, dtype=np.uint64) * np.uint64(step) + np.uint64(rng.integers(size))) % np.uint64(
        size
    )
    digits = (numbers[:, None] // np.uint64(4) ** np.arange(16, dtype=np.uint64)) % np.uint64(4)
    letters = np.frombuffer(b"ACGT", dtype="S1")[digits.astype(np.intp)]
    words = letters.view("S16").ravel().astype(str)
    return pd.Index([f"{word}-1" for word in words])


def as_anndata(counts: sp.csr_matrix, obs: pd.DataFrame, genes: pd.Index) -> ad.AnnData:
    """Assemble counts, truth and gene names."""
    import anndata as ad

    return ad.AnnData(X=counts, obs=obs, var=pd.DataFrame(index=genes))
