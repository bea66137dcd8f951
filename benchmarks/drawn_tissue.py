"""Tissues drawn in letters: each letter is a square of tissue with its own mixture of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

GAP: Final = " "


@dataclass(frozen=True)
class Drawn:
    """The cells of a drawing.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; y runs down, as in an image.
    cell_types
        Type of every cell.
    letters
        The letter that every cell was drawn by.
    """

    positions: NDArray[np.float64]
    cell_types: pd.Series
    letters: NDArray[np.str_]


def read_drawing(
    text: str,
    mixtures: Mapping[str, Mapping[str, float]],
    *,
    square_um: float = 50.0,
    pitch_um: float = 10.0,
    jitter_um: float = 2.0,
    seed: int = 1,
) -> Drawn:
    """Turn a drawing into cells: a square lattice with jitter, types drawn by the mixture of each letter.

    Parameters
    ----------
    text
        Lines of letters; a blank is no tissue.
    mixtures
        For each letter the shares of its cell types, which sum to 1.
    square_um
        Side of a letter, micrometres.
    pitch_um
        Distance of the cells, micrometres.
    jitter_um
        Standard deviation of a cell's place around its point of the lattice, micrometres.
    seed
        Seed of places and types.
    """
    rng = np.random.default_rng(seed)
    lines = [line for line in text.splitlines() if line.strip()]
    letters = np.array([list(line.ljust(max(map(len, lines)))) for line in lines])
    height, width = (side * square_um for side in letters.shape)
    x, y = np.meshgrid(np.arange(pitch_um / 2, width, pitch_um), np.arange(pitch_um / 2, height, pitch_um))
    letter = letters[(y // square_um).astype(int), (x // square_um).astype(int)].ravel()
    points = np.column_stack([x.ravel(), y.ravel()]) + rng.normal(0, jitter_um, (x.size, 2))
    kept = letter != GAP
    points, letter = points[kept], letter[kept]
    types = np.empty(len(letter), dtype=object)
    for name in np.unique(letter):
        mixture = mixtures[str(name)]
        at = np.flatnonzero(letter == name)
        types[at] = rng.choice(list(mixture), len(at), p=list(mixture.values()))
    return Drawn(points, pd.Series(types), letter)
