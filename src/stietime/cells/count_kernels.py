"""Sums and likelihoods over the counts of many cells, compiled: no copy of the counts is made.

What is summed over cells is summed in their order, so that nothing depends on threads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.integer]
    # row pointers, columns and entries of counts, cells x genes
    Counts = tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.number]]


@numba.njit(nogil=True, cache=True)
def sum_by_label(counts: Counts, totals: Floats, label: Rows, summed: Floats, depth: Floats) -> None:
    """Add the counts of each cell, and its total, to the row of its label; -1 is no label."""
    starts, genes, values = counts
    for cell in range(label.shape[0]):
        row = label[cell]
        if row >= 0:
            depth[row] += totals[cell]
            for place in range(starts[cell], starts[cell + 1]):
                summed[row, genes[place]] += values[place]


@numba.njit(nogil=True, cache=True)
def sum_by_share(counts: Counts, totals: Floats, shares: Floats, summed: Floats, depth: Floats) -> None:
    """Add the counts of each cell, and its total, to every row by the cell's share in it."""
    starts, genes, values = counts
    for cell in range(shares.shape[0]):
        for row in range(shares.shape[1]):
            share = shares[cell, row]
            depth[row] += share * totals[cell]
            for place in range(starts[cell], starts[cell + 1]):
                summed[row, genes[place]] += share * values[place]


@numba.njit(nogil=True, cache=True)
def sum_where_detected(counts: Counts, totals: Floats, summed: Floats, depth: Floats) -> None:
    """Add the counts of each gene, and the totals of the cells that show it."""
    starts, genes, values = counts
    for cell in range(totals.shape[0]):
        for place in range(starts[cell], starts[cell + 1]):
            if values[place] > 0:
                summed[genes[place]] += values[place]
                depth[genes[place]] += totals[cell]


@numba.njit(nogil=True, cache=True)
def sum_scaled_by_gene(
    counts: Counts, factors: NDArray[np.float32], sums: Floats, squares: Floats, n_cells: Rows
) -> None:
    """Add the counts of each gene, multiplied by a factor of the cell, their squares, and the cells."""
    starts, genes, values = counts
    for cell in range(factors.shape[0]):
        for place in range(starts[cell], starts[cell + 1]):
            gene = genes[place]
            value = np.float64(np.float32(values[place]) * factors[cell])
            sums[gene] += value
            squares[gene] += value * value
            n_cells[gene] += values[place] > 0


@numba.njit(nogil=True, cache=True)
def add_log_likelihood(
    span: tuple[int, int],
    depths: tuple[Floats, Rows, Rows],
    counts: Counts,
    profiles: Floats,
    size: float,
    found: Floats,
) -> None:
    """Write the log-likelihood of the cells of some depths under each profile; see `log_likelihood`.

    Cells of one depth have the same means, so that logarithms are taken once for all of them.

    Parameters
    ----------
    span
        First depth, and the one after the last.
    depths
        Depths that occur; where the cells of each begin, and the end; cells by depth.
    counts
        Row pointers, columns and entries.
    profiles
        Genes x types; 0 for a gene that no cell shows.
    size
        1 / dispersion.
    found
        Cells x types, to write to.
    """
    values, starts, cells = depths
    pointers, genes, entries = counts
    n_genes, n_types = profiles.shape
    present = np.empty((n_genes, n_types))
    absent = np.empty(n_types)
    for place in range(span[0], span[1]):
        absent[:] = 0
        for gene in range(n_genes):
            for kind in range(n_types):
                mean = values[place] * profiles[gene, kind]
                present[gene, kind] = -math.inf
                if mean > 0:
                    grown = math.log1p(mean / size)
                    absent[kind] -= size * grown
                    present[gene, kind] = math.log(mean / size) - grown
        for cell in cells[starts[place] : starts[place + 1]]:
            row = found[cell]
            row[:] = absent
            for entry in range(pointers[cell], pointers[cell + 1]):
                if entries[entry] > 0:
                    for kind in range(n_types):
                        row[kind] += entries[entry] * present[genes[entry], kind]


@numba.njit(nogil=True, cache=True)
def most_abundant(counts: Counts, group: Rows, wanted: NDArray[np.bool_], found: Rows) -> None:
    """Write which genes of a cell's group it shows most of, the most abundant first, ties by their order.

    Parameters
    ----------
    counts
        Row pointers, columns and entries.
    group
        Group of each cell.
    wanted
        Groups x genes.
    found
        Cells x number of genes to name, to write to; -1 where there are fewer.
    """
    starts, genes, values = counts
    n_named = found.shape[1]
    held = np.empty(n_named)
    for cell in range(group.shape[0]):
        held[:] = 0
        found[cell] = -1
        for entry in range(starts[cell], starts[cell + 1]):
            gene, value = genes[entry], values[entry]
            if value > held[n_named - 1] and wanted[group[cell], gene]:
                place = n_named - 1
                while place > 0 and value > held[place - 1]:
                    held[place], found[cell, place] = held[place - 1], found[cell, place - 1]
                    place -= 1
                held[place], found[cell, place] = value, gene
