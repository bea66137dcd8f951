"""Counts of simulated droplets over many genes, drawn sparsely: no matrix of cells x genes is ever held.

Genes that a population expresses well are drawn one by one, each negative binomial; the many others, whose
counts are 0 or 1 and therefore Poisson in good approximation, are drawn together: how many molecules, and
then of which gene, by an alias table (Walker 1977).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from stietime.simulate.counts import Droplets

Floats = NDArray[np.float64]
Groups = NDArray[np.int8]

MIN_MEAN: Final = 0.25  # counts of a gene in a cell of median depth from which it is drawn on its own
MITO, RIBO, STRESS = 1, 2, 3
SPREADS: Final = np.array([0.0, 0.35, 0.2, 0.5])  # sd of the log of a cell's own factor, by group of genes


@dataclass(frozen=True)
class Tables:
    """What the counts of one capture are drawn from.

    Parameters
    ----------
    head_start
        Where the genes of each population begin in the next four arrays; one more than populations.
    head_gene, head_share, head_shape, head_group
        Genes drawn one by one: position, share of the counts, shape of the gamma factor, group.
    tail_share
        Share of the other genes together, by population.
    accept, alias
        Alias tables of the other genes, populations x genes; the last row is that of ambient RNA.
    """

    head_start: NDArray[np.int64]
    head_gene: NDArray[np.int64]
    head_share: Floats
    head_shape: Floats
    head_group: Groups
    tail_share: Floats
    accept: NDArray[np.float32]
    alias: NDArray[np.int32]


def prepare(profiles: Floats, ambient: Floats, median_umi: Floats, shape: Floats, group: Groups) -> Tables:
    """Divide the genes of each population into those drawn one by one and the others.

    Parameters
    ----------
    profiles
        Shares of the genes, populations x genes; rows sum to 1.
    ambient
        Shares of the genes in ambient RNA.
    median_umi
        Median UMI of a cell, by population.
    shape
        Shape of the gamma factor of each gene: 1 / dispersion.
    group
        0, or `MITO`, `RIBO` or `STRESS`; genes of a group are always drawn one by one.
    """
    head = (profiles * median_umi[:, None] >= MIN_MEAN) | (group > 0)
    population, gene = np.nonzero(head)
    start = np.searchsorted(population, np.arange(len(profiles) + 1)).astype(np.int64)
    tail = np.where(head, 0.0, profiles)
    accept, alias = _alias_tables(np.vstack([tail, ambient]))
    return Tables(
        head_start=start,
        head_gene=gene.astype(np.int64),
        head_share=profiles[population, gene],
        head_shape=shape[gene],
        head_group=group[gene],
        tail_share=tail.sum(axis=1),
        accept=accept,
        alias=alias,
    )


@numba.njit(cache=True)
def _alias_tables(weights: Any) -> Any:  # noqa: ANN401 - numba's own types
    n_rows, n = weights.shape
    accept = np.ones((n_rows, n), dtype=np.float32)
    alias = np.zeros((n_rows, n), dtype=np.int32)
    for row in range(n_rows):
        scaled = weights[row] * (n / weights[row].sum())
        order = np.argsort(scaled)
        low, high = 0, n - 1
        # each place takes what it lacks from the largest one that is left
        left = scaled[order[high]]
        while low < high:
            small = order[low]
            low += 1
            accept[row, small] = scaled[small]
            alias[row, small] = order[high]
            left -= 1.0 - scaled[small]
            while left < 1.0 and high > low:
                large = order[high]
                accept[row, large] = left
                high -= 1
                alias[row, large] = order[high]
                left += scaled[order[high]] - 1.0
        alias[row, order[high]] = order[high]
    return accept, alias


def draw(rng: np.random.Generator, droplets: Droplets, tables: Tables) -> sparse.csr_matrix:
    """Draw the counts of some droplets.

    Parameters
    ----------
    rng
        Random generator.
    droplets
        What is in each droplet.
    tables
        What the capture's counts are drawn from.

    Returns
    -------
    Counts, int32, droplets x genes, genes in order.
    """
    factors = np.exp(rng.normal(-(SPREADS**2) / 2, SPREADS, (len(droplets), len(SPREADS))))
    members = np.stack([droplets.population, droplets.partner], axis=1).astype(np.int64)
    depths = np.stack([droplets.depth, droplets.partner_depth], axis=1)
    arrays = tuple(vars(tables).values())
    data, genes, indptr = _draw(rng, members, depths, factors, droplets.mito_share, droplets.ambient, *arrays)
    shape = (len(droplets), tables.alias.shape[1])
    return sparse.csr_matrix((data, genes, indptr), shape=shape)


@numba.njit(cache=True)
def _draw(  # noqa: PLR0917 - numba takes no keyword-only arguments
    rng: Any,  # noqa: ANN401 - numba's own types
    members: Any,  # noqa: ANN401
    depths: Any,  # noqa: ANN401
    factors: Any,  # noqa: ANN401
    mito_share: Any,  # noqa: ANN401
    ambient: Any,  # noqa: ANN401
    head_start: Any,  # noqa: ANN401
    head_gene: Any,  # noqa: ANN401
    head_share: Any,  # noqa: ANN401
    head_shape: Any,  # noqa: ANN401
    head_group: Any,  # noqa: ANN401
    tail_share: Any,  # noqa: ANN401
    accept: Any,  # noqa: ANN401
    alias: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    n_cells, n_genes = len(members), accept.shape[1]
    cell = np.zeros(n_genes, dtype=np.int32)
    indptr = np.zeros(n_cells + 1, dtype=np.int64)
    data = np.empty(n_cells * 1000 + n_genes, dtype=np.int32)
    genes = np.empty(len(data), dtype=np.int32)
    end = 0
    for i in range(n_cells):
        own = factors[i].copy()
        if mito_share[i] >= 0:
            _kill(own, mito_share[i], members[i, 0], head_start, head_share, head_group, tail_share)
        for place in range(2):
            p = members[i, place]
            if p < 0:
                continue
            depth = depths[i, place]
            for at in range(head_start[p], head_start[p + 1]):
                mean = depth * head_share[at] * own[head_group[at]]
                shape = head_shape[at]
                cell[head_gene[at]] += rng.poisson(mean * rng.standard_gamma(shape) / shape)
            _scatter(rng, cell, rng.poisson(depth * tail_share[p] * own[0]), accept[p], alias[p])
        _scatter(rng, cell, rng.poisson(ambient[i]), accept[-1], alias[-1])
        if end + n_genes > len(data):
            data = np.concatenate((data, np.empty_like(data)))
            genes = np.concatenate((genes, np.empty_like(genes)))
        for gene in range(n_genes):
            if cell[gene]:
                data[end], genes[end] = cell[gene], gene
                cell[gene] = 0
                end += 1
        indptr[i + 1] = end
    return data[:end].copy(), genes[:end].copy(), indptr


@numba.njit(cache=True)
def _kill(
    own: Any,  # noqa: ANN401
    target: float,
    p: int,
    head_start: Any,  # noqa: ANN401
    head_share: Any,  # noqa: ANN401
    head_group: Any,  # noqa: ANN401
    tail_share: Any,  # noqa: ANN401
) -> None:
    """Raise the mitochondrial genes of a dying cell to their share, and lower the others."""
    inside, total = 0.0, tail_share[p] * own[0]
    for at in range(head_start[p], head_start[p + 1]):
        mean = head_share[at] * own[head_group[at]]
        total += mean
        if head_group[at] == MITO:
            inside += mean
    for group in range(len(own)):
        own[group] *= total * (1 - target) / (total - inside)
    own[MITO] *= (target / (1 - target)) * (total - inside) / inside


@numba.njit(cache=True)
def _scatter(rng: Any, cell: Any, n: int, accept: Any, alias: Any) -> None:  # noqa: ANN401
    """Give each of n molecules a gene."""
    for _ in range(n):
        place = rng.random() * len(accept)
        gene = int(place)
        cell[gene if place - gene < accept[gene] else alias[gene]] += 1
