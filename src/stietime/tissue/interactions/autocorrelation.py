"""The variance of a sum of products when both factors are autocorrelated over the tissue.

Permutations take cells for exchangeable. Two genes that both vary smoothly over a section are not: they
agree or disagree over whole parts of it, by chance. For independent stationary patterns x and s with
covariances C_x(h) and C_s(h) at distance h, and n_h ordered pairs of different cells at that distance,

    Var(sum x_i s_i) = variance under permutation + sum_h n_h C_x(h) C_s(h)

with the covariances estimated by classes of distance, and the effective number of cells smaller in the same
proportion (Clifford, Richardson & Hemon 1989, Biometrics 45, 123).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import fft, stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.tissue.interactions.permuted_sums import Permuted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SQUARES_PER_REACH: Final = 2  # squares along the largest distance between sender and receiver
_MOST_SQUARES: Final = 2**18  # 51 x 51 mm in squares of 100 um; larger squares where cells lie further apart


@dataclass(frozen=True)
class Lags:
    """The classes of distance of a section: squares of tissue, and whole numbers of sides between them.

    Parameters
    ----------
    square
        Square of every cell, in the flattened grid.
    grid
        Fields, rows and columns of squares. Pairs of cells of different fields are in no class.
    type_of
        Type of every cell.
    n_types
        Number of types.
    """

    square: Ints
    grid: tuple[int, int, int]
    type_of: Ints
    n_types: int

    @classmethod
    def of(cls, positions: Floats, type_of: Ints, n_types: int, side_um: float, fields: Ints | None) -> Lags:
        """Divide a section.

        Parameters
        ----------
        positions
            Cells x 2, micrometres.
        type_of, n_types
            Type of every cell, 0 to `n_types` - 1.
        side_um
            Side of the squares, micrometres.
        fields
            Field of view of every cell, where fields do not adjoin.
        """
        field = np.unique(np.zeros(len(positions)) if fields is None else fields, return_inverse=True)[1]
        corners = np.full((int(field.max()) + 1, 2), np.inf)
        np.minimum.at(corners, field, positions)
        apart = positions - corners[field]
        while len(corners) * np.prod(apart.max(axis=0) // side_um + 1) > _MOST_SQUARES:
            side_um *= 2
        steps = (apart // side_um).astype(np.int64)
        rows, columns = (int(largest) + 1 for largest in steps.max(axis=0))
        square = (field * rows + steps[:, 0]) * columns + steps[:, 1]
        return cls(square, (len(corners), rows, columns), type_of, n_types)

    @cached_property
    def n_pairs(self) -> Floats:
        """Ordered pairs of different cells, types (the last: all) x classes."""
        return np.rint(self.products(np.ones((len(self.square), 1)))[:, :, 0])

    @cached_property
    def _class_of(self) -> Ints:
        """Class of every displacement in the padded grid; those that wrap around hold nothing."""
        (down, rows), (across, columns) = (
            (np.minimum(np.arange(n), n - np.arange(n)), length)
            for n, length in zip(self._padded, self.grid[1:], strict=True)
        )
        distance = np.rint(np.hypot(down[:, None], across[None, :])).astype(np.int64)
        within = (down[:, None] < rows) & (across[None, :] < columns)
        return np.where(within, distance, -1).ravel()

    @property
    def _padded(self) -> tuple[int, int]:
        """Rows and columns of the grid with room for every displacement."""
        rows, columns = (fft.next_fast_len(2 * n - 1, real=True) for n in self.grid[1:])
        return rows, columns

    def products(self, values: Floats, n_threads: int = 1) -> Floats:
        """Sum products of two different cells by type and class of distance.

        Parameters
        ----------
        values
            Cells x columns, of mean 0 in every stratum for covariances.
        n_threads
            Threads; the result does not depend on them.

        Returns
        -------
        Types (the last: all) x classes x columns.
        """
        n_squares = int(np.prod(self.grid))
        by_column = []
        for column in values.T:
            key, n = self.type_of * n_squares + self.square, self.n_types * n_squares
            sums = np.bincount(key, weights=column, minlength=n).reshape(self.n_types, n_squares)
            own = np.bincount(self.type_of, weights=column**2, minlength=self.n_types)
            every = np.append(sums, sums.sum(axis=0, keepdims=True), axis=0)
            by_column.append(self._by_class(every, np.append(own, own.sum()), n_threads))
        return np.stack(by_column, axis=2)

    def _by_class(self, sums: Floats, own: Floats, n_threads: int) -> Floats:
        """Correlate squares with themselves by distance (rows: types), without each cell with itself."""
        size = self._padded
        moved = fft.rfft2(sums.reshape(-1, *self.grid), s=size, workers=n_threads)
        power = (moved.real**2 + moved.imag**2).sum(axis=1)
        products = fft.irfft2(power, s=size, workers=n_threads).reshape(len(sums), -1)
        within = self._class_of >= 0
        found = np.stack([np.bincount(self._class_of[within], weights=row[within]) for row in products])
        found[:, 0] -= own
        return found


def added_variance(one: Floats, other: Floats, lags: Lags) -> Floats:
    """Sum n_h C_x(h) C_s(h) over the classes of distance.

    Parameters
    ----------
    one, other
        `Lags.products` of the permuted values (one column) and of the other factor.
    lags
        The classes.

    Returns
    -------
    Types (the last: all) x columns of the other factor; at least 0.
    """
    n = lags.n_pairs[:, :, None]
    products = np.divide(one * other, n, out=np.zeros(other.shape), where=n > 0)
    return np.asarray(np.maximum(products.sum(axis=1), 0.0))


def spatial_p(found: Permuted, added: Floats, n_cells: Ints) -> Floats:
    """Give two-sided p-values of sums of products whose factors are autocorrelated.

    Parameters
    ----------
    found
        Observed sums with their moments under permutation.
    added
        As `added_variance` gives it, in the shape of `found`.
    n_cells
        Permuted cells of each row.

    Returns
    -------
    By Student's t with the effective number of cells less 2, n Var_permuted / Var - 1 and at least 1, degrees
    of freedom; missing where nothing can vary.
    """
    variance = found.variance + added
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (found.observed - found.expected) / np.sqrt(variance)
        freedom = np.maximum(n_cells[:, None] * found.variance / variance - 1, 1.0)
        p = 2 * stats.t.sf(np.abs(z), freedom)
    return np.where(found.variance > 0, np.maximum(p, np.finfo(float).tiny), np.nan)
