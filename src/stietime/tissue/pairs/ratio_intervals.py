"""How sure a ratio of observed to expected pairs of neighbours is: its variation over blocks of tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_BLOCKS_PER_SIDE: Final = 5
_FEWEST_BLOCKS: Final = 5


def tissue_blocks(positions: Floats, smallest_um: float, fields: NDArray[np.integer] | None = None) -> Ints:
    """Divide a section into up to 5 x 5 square blocks.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    smallest_um
        Smallest side of a block, micrometres: pairs of neighbours should lie within one for the most part.
    fields
        Field of view of every cell; without it all cells lie in one. A block holds cells of one field.

    Returns
    -------
    Block of every cell, 0 and up; every block holds a cell.
    """
    corner = positions.min(axis=0)
    side = max(float(np.ptp(positions, axis=0).max()) / _BLOCKS_PER_SIDE, smallest_um)
    steps = np.clip((positions - corner) // side, 0, _BLOCKS_PER_SIDE - 1).astype(np.int64)
    block = steps[:, 0] * _BLOCKS_PER_SIDE + steps[:, 1]
    if fields is not None:
        block += fields * _BLOCKS_PER_SIDE**2
    return np.asarray(np.unique(block, return_inverse=True)[1], dtype=np.int64)


def ratio_interval(by_block: Ints, n_by_block: Ints) -> tuple[Floats, Floats]:
    """Compute 95 % intervals of log2 (observed / expected), from how the ratio varies over blocks of tissue.

    log (observed / expected) = log J - log a - log b - log m + 2 log n up to a constant (within a type
    2 log a), so block B of the tissue moves it by h_B = J_B / J - a_B / a - b_B / b - m_B / m + 2 n_B / n; a
    pair of neighbours across two blocks belongs half to each. Its variance is B/(B-1) sum h_B^2 (the
    linearised variance of cluster totals; Cochran 1977, Sampling Techniques, ch. 6), and the interval that of
    Student's t with B - 1 degrees of freedom. It says how sure the ratio is for tissue like this section's,
    not for other patients.

    Parameters
    ----------
    by_block
        Blocks x types x types: ordered pairs of neighbours by the block of the first cell.
    n_by_block
        Blocks x types: numbers of cells.

    Returns
    -------
    Lower and upper ends, types x types; missing for pairs never observed and with fewer than 5 blocks.
    """
    used = n_by_block.sum(axis=1) > 0
    joins = (by_block + by_block.transpose(0, 2, 1))[used] / 2.0
    cells = n_by_block[used].astype(float)
    n_blocks, total, of_type = len(cells), joins.sum(axis=0), cells.sum(axis=0)
    missing = np.full(total.shape, np.nan)
    if n_blocks < _FEWEST_BLOCKS or not total.any():
        return missing, missing.copy()
    type_part, all_part = cells / of_type, cells.sum(axis=1) / cells.sum()
    edge_part = joins.sum(axis=(1, 2)) / total.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = joins / total - type_part[:, :, None] - type_part[:, None, :]
        moved += (2 * all_part - edge_part)[:, None, None]
        error = np.sqrt((moved**2).sum(axis=0) * n_blocks / (n_blocks - 1)) / np.log(2)
        ratio = np.log2(total / total.sum() / np.multiply.outer(of_type, of_type) * cells.sum() ** 2)
    wide = stats.t.ppf(0.975, n_blocks - 1) * np.where(total > 0, error, np.nan)
    # within a type expected counts fall short of squared shares by 1 cell
    ratio += np.diag(np.log2(of_type / np.maximum(of_type - 1, 1)))
    return ratio - wide, ratio + wide
