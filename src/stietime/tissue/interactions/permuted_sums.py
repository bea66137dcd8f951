"""A sum of products when one factor is permuted within strata: its exact moments, and draws of it.

T = sum over cells of x_i s_i, with the values x permuted among the cells of each stratum k of n_k cells. With
sums of squares and of cubes about the mean of a stratum, C2 and C3,

    E = sum_k n_k mean_k(x) mean_k(s)           Var = sum_k C2_k(x) C2_k(s) / (n_k - 1)
    third moment = sum_k n_k C3_k(x) C3_k(s) / ((n_k - 1) (n_k - 2))

exactly (Hoeffding 1951, Ann. Math. Stat. 22, 558; strata are independent).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_FEW_IN_STRATUM: Final = 256  # strata up to this size are shuffled whole
_FEWEST_BLOCKS: Final = 5
# a variance below this share of its parts is what rounding leaves
_ROUNDING: Final = 1e-12


class Levels(NamedTuple):
    """Strata that values are permuted within, each part of one type.

    Parameters
    ----------
    stratum
        Stratum of every cell, 0 and up.
    type_of
        Type of every stratum.
    n_types
        Number of types.
    """

    stratum: Ints
    type_of: Ints
    n_types: int

    @property
    def sizes(self) -> Ints:
        """Cells of each stratum."""
        return np.bincount(self.stratum, minlength=len(self.type_of))

    def by_type(self, values: Floats) -> Floats:
        """Sum values of strata (first axis) over the strata of each type; the last row is of all types."""
        found = np.zeros((self.n_types + 1, *values.shape[1:]))
        np.add.at(found, self.type_of, values)
        found[-1] = found[:-1].sum(axis=0)
        return found


class Spread(NamedTuple):
    """Sums of values over the cells of each stratum: strata, or strata x columns.

    Parameters
    ----------
    total
        Plain sums.
    squares, cubes
        Sums of squares and of cubes about the mean of the stratum.
    """

    total: Floats
    squares: Floats
    cubes: Floats

    @classmethod
    def of(cls, values: Floats, levels: Levels) -> Spread:
        """Sum values (cells x columns) by stratum."""
        return cls.about_means(values, centred(values, levels), levels)

    @classmethod
    def about_means(cls, values: Floats, apart: Floats, levels: Levels) -> Spread:
        """Sum values (cells x columns) by stratum, given what `centred` makes of them."""
        n = len(levels.type_of)
        total = _by_stratum(values, levels.stratum, n)
        squares, cubes = (_by_stratum(apart**power, levels.stratum, n) for power in (2, 3))
        squares[squares <= _ROUNDING * _by_stratum(values**2, levels.stratum, n)] = 0.0
        return cls(total, squares, cubes)


def centred(values: Floats, levels: Levels) -> Floats:
    """Take the mean of its stratum from every cell's values (cells x columns)."""
    total = _by_stratum(values, levels.stratum, len(levels.type_of))
    return np.asarray(values - (total / np.maximum(levels.sizes, 1)[:, None])[levels.stratum])


def _by_stratum(values: Floats, stratum: Ints, n: int) -> Floats:
    columns = [np.bincount(stratum, weights=column, minlength=n) for column in values.T]
    return np.column_stack(columns) if columns else np.zeros((n, 0))


@dataclass(frozen=True)
class Permuted:
    """Observed sums by type of the permuted cell and column of the other factor, and their null moments.

    Parameters
    ----------
    observed, expected, variance, third
        Types (the last row: all) x columns.
    """

    observed: Floats
    expected: Floats
    variance: Floats
    third: Floats

    @property
    def z(self) -> Floats:
        """Standardised deviation; missing where nothing can vary."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (self.observed - self.expected) / np.sqrt(self.variance)
        return np.where(self.variance > 0, z, np.nan)

    @property
    def p(self) -> Floats:
        """Two-sided p by the Pearson type III distribution with these moments; missing where z is."""
        safe = np.where(self.variance > 0, self.variance, 1.0)
        return type_iii_p(self.z, np.where(self.variance > 0, self.third / safe**1.5, 0.0))


def type_iii_p(z: Floats, skewness: Floats) -> Floats:
    """Give the probability of a deviation at least as large on either side; never 0, missing where z is.

    Parameters
    ----------
    z
        Standardised deviations.
    skewness
        Skewness of each null distribution.
    """
    far, known = np.abs(np.nan_to_num(z)), np.isfinite(z)
    p = stats.pearson3.sf(far, skewness) + stats.pearson3.cdf(-far, skewness)
    return np.where(known, np.clip(p, np.finfo(float).tiny, 1.0), np.nan)


def permuted_sums(values: Floats, sums: Floats, levels: Levels, spread: Spread | None = None) -> Permuted:
    """Compare sums of products with those when the values are permuted within strata.

    Parameters
    ----------
    values
        One value per cell: what is permuted.
    sums
        Cells x columns: the other factor, such as what the cells around express, by their type.
    levels
        What values are permuted within.
    spread
        `Spread.of` the sums, where it is known already.

    Returns
    -------
    Types (the last row: all) x columns.
    """
    spread = spread or Spread.of(sums, levels)
    own = Spread.of(values[:, None], levels)
    n = levels.sizes.astype(float)[:, None]
    has = np.flatnonzero(values)
    products = np.zeros((len(n), sums.shape[1]))
    np.add.at(products, levels.stratum[has], values[has, None] * sums[has])
    two, three = np.maximum(n - 1, 1), np.maximum((n - 1) * (n - 2), 1)
    return Permuted(
        levels.by_type(products),
        levels.by_type(own.total * spread.total / np.maximum(n, 1)),
        levels.by_type(np.where(n > 1, own.squares * spread.squares / two, 0.0)),
        levels.by_type(np.where(n > 2, n * own.cubes * spread.cubes / three, 0.0)),
    )


def drawn_p(
    values: Floats, sums: Floats, strata: Ints, found: tuple[Floats, Floats], n_draws: int, seed: int
) -> Floats:
    """Give two-sided p-values by permutations that are drawn, for values few of which are not 0.

    Parameters
    ----------
    values, sums
        Cells of one type, and cells x columns, as in `permuted_sums`.
    strata
        Stratum of each of these cells.
    found
        Observed and expected sums of each column.
    n_draws
        Number of permutations.
    seed
        Seed; the same gives the same.

    Returns
    -------
    (1 + draws at least as far from the mean as observed) / (1 + draws), per column (Phipson & Smyth 2010,
    Stat. Appl. Genet. Mol. Biol. 9, 39).
    """
    rng = np.random.default_rng(seed)
    observed, expected = found
    drawn = np.zeros((n_draws, sums.shape[1]))
    for stratum in np.unique(strata[values != 0]):
        cells = np.flatnonzero(strata == stratum)
        own = values[cells][values[cells] != 0]
        places = _places(rng, len(cells), len(own), n_draws)
        for value, place in zip(own, places.T, strict=True):
            drawn += value * sums[cells[place]]
    far = np.abs(observed - expected)
    slack = 1e-9 * np.maximum(np.abs(observed), np.abs(expected))
    return np.asarray((1 + (np.abs(drawn - expected) >= far - slack).sum(axis=0)) / (1 + n_draws))


def _places(rng: np.random.Generator, n: int, k: int, n_draws: int) -> Ints:
    """Draw k of n places without replacement, in random order: draws x k."""
    if n <= max(_FEW_IN_STRATUM, 2 * k):
        return np.asarray(rng.permuted(np.tile(np.arange(n), (n_draws, 1)), axis=1)[:, :k])
    places = rng.integers(0, n, (n_draws, k))
    while True:
        ordered = np.sort(places, axis=1)
        twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(twice):
            return places
        places[twice] = rng.integers(0, n, (len(twice), k))


def ratio_interval(
    values: Floats, sums: Floats, levels: Levels, found: Permuted, blocks: Ints
) -> tuple[Floats, Floats]:
    """Compute 95 % intervals of log2 (observed / expected), from how it varies over blocks of the tissue.

    Cell i moves log T by x_i s_i / T and log E by (mean_k(x) s_i + mean_k(s) (x_i - mean_k(x))) / E; with h_B
    the sum over a block, the variance of the log ratio is B/(B-1) sum h_B^2 (the linearised variance of
    cluster totals; Cochran 1977, Sampling Techniques, ch. 6), and the interval is Student's. It holds what
    permutations do not: that expression varies smoothly over the tissue for reasons of its own.

    Parameters
    ----------
    values, sums, levels
        As in `permuted_sums`.
    found
        What that gave.
    blocks
        Block of tissue of every cell, 0 and up.

    Returns
    -------
    Lower and upper ends, as `found`; missing with fewer than 5 blocks, or where nothing was observed.
    """
    n_blocks, n_strata = int(blocks.max()) + 1, len(levels.type_of)
    missing = np.full(found.observed.shape, np.nan)
    if n_blocks < _FEWEST_BLOCKS:
        return missing, missing.copy()
    n = np.maximum(levels.sizes, 1)
    cell = levels.stratum * n_blocks + blocks
    size = n_strata * n_blocks
    shape = (n_strata, n_blocks, -1)
    here = np.bincount(cell, minlength=size).reshape(n_strata, n_blocks)
    x_here = np.bincount(cell, weights=values, minlength=size).reshape(n_strata, n_blocks)
    s_here = _by_stratum(sums, cell, size).reshape(shape)
    has = np.flatnonzero(values)
    products = _by_stratum(values[has, None] * sums[has], cell[has], size).reshape(shape)
    x_mean, s_mean = x_here.sum(axis=1) / n, s_here.sum(axis=1) / n[:, None]
    own = x_here - x_mean[:, None] * here
    expected = x_mean[:, None, None] * s_here + s_mean[:, None, :] * own[:, :, None]
    usable = (found.observed > 0) & (found.expected > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = levels.by_type(products) / found.observed[:, None, :]
        moved -= levels.by_type(expected) / found.expected[:, None, :]
        error = np.sqrt((moved**2).sum(axis=1) * n_blocks / (n_blocks - 1)) / np.log(2)
        ratio = np.where(usable, np.log2(found.observed / found.expected), np.nan)
    wide = stats.t.ppf(0.975, n_blocks - 1) * error
    return ratio - wide, ratio + wide
