"""The architecture class of a section, in two vocabularies, each with a confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import stats

from stietime.tissue.graphs.graph import edges, occupied_squares

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

COLD: Final = "cold"
COMPARTMENTALIZED: Final = "compartmentalized"
MIXED: Final = "mixed"
DESERT: Final = "desert"
EXCLUDED: Final = "excluded"
INFILTRATED: Final = "infiltrated"

_BLOCKS_PER_SIDE: Final = 5
_SQUARE_UM: Final = 50.0


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums over a section, kept by blocks of tissue so that its uncertainty can be told.

    Parameters
    ----------
    above, below
        The two sums in each block.
    """

    above: NDArray[np.float64]
    below: NDArray[np.float64]

    @property
    def value(self) -> float:
        """The ratio over the whole section; missing for 0 / 0, infinite when only the lower sum is 0."""
        above, below = float(self.above.sum()), float(self.below.sum())
        if not below:
            return np.inf if above else np.nan
        return above / below

    def confidence(self, cut: float) -> float:
        """Give the probability that a like section lies on the same side of a cut.

        The ratio is at or above the cut when D = sum of (above - cut x below) over blocks is at or above 0.
        With B blocks that hold something as the sample, var(D) = B / (B - 1) sum (D_b - mean D_b)^2 (the
        linearised variance of a ratio of cluster totals, Cochran 1977, Sampling Techniques, ch. 6), and the
        confidence is Phi(|D| / sd(D)): 0.5 on the cut, 1 far from it. Deterministic.

        Parameters
        ----------
        cut
            The value of the ratio that divides two classes.

        Returns
        -------
        0.5 to 1; missing with fewer than 2 blocks.
        """
        used = (self.above != 0) | (self.below != 0)
        difference = (self.above - cut * self.below)[used]
        if len(difference) < 2:
            return float("nan")
        spread = float(np.std(difference, ddof=1)) * np.sqrt(len(difference))
        away = abs(float(difference.sum()))
        if not spread:
            return 1.0 if away else 0.5
        return float(stats.norm.cdf(away / spread))


@dataclass(frozen=True)
class Measures:
    """What the classes are decided on.

    Parameters
    ----------
    n_cells, n_tumour, n_immune, n_inside
        Numbers of cells: all, tumour, immune, and of any type inside tumour regions.
    area_mm2
        Area of the tissue: 50 um squares that hold a cell.
    immune_density
        Immune cells per mm2 of tissue.
    immune_share
        Immune cells among all cells.
    mixing
        Tumour-immune contacts over immune-immune contacts (Keren 2018).
    infiltration
        Immune cells among the cells inside tumour regions.
    """

    n_cells: int
    n_tumour: int
    n_immune: int
    n_inside: int
    area_mm2: float
    immune_density: Ratio
    immune_share: Ratio
    mixing: Ratio
    infiltration: Ratio


@dataclass(frozen=True)
class Call:
    """A class with its confidence.

    Parameters
    ----------
    name
        The class; empty when it is not testable.
    confidence
        The smallest confidence of the decisions that led to it, 0.5 to 1; missing when it cannot be told.
    note
        Why it is not testable.
    """

    name: str
    confidence: float = float("nan")
    note: str = ""


def _blocks(positions: NDArray[np.float64], corner: NDArray[np.float64], side_um: float) -> NDArray[np.int64]:
    steps = np.clip((positions - corner) // side_um, 0, _BLOCKS_PER_SIDE - 1).astype(np.int64)
    return steps[:, 0] * _BLOCKS_PER_SIDE + steps[:, 1]


def _by_block(block: NDArray[np.int64], weight: NDArray[Any] | float) -> NDArray[np.float64]:
    weights = np.broadcast_to(np.asarray(weight, dtype=float), block.shape)
    return np.bincount(block, weights=weights, minlength=_BLOCKS_PER_SIDE**2)


def measure(
    positions: NDArray[np.float64],
    contacts: csr_array,
    *,
    is_tumour: NDArray[np.bool_],
    is_immune: NDArray[np.bool_],
    inside: NDArray[np.bool_],
) -> Measures:
    """Measure what the architecture classes are decided on.

    A contact is a pair of cells that touch, each counted once, as in the authors' code of Keren et al. 2018
    (Cell 174, 1373). Sums are kept by up to 5 x 5 blocks; a contact between two blocks belongs half to each.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    contacts
        Cells x cells, symmetric: which cells touch.
    is_tumour, is_immune
        Which cells are tumour and immune cells.
    inside
        Which cells lie inside tumour regions.
    """
    corner = positions.min(axis=0)
    side_um = max(float(np.ptp(positions, axis=0).max()) / _BLOCKS_PER_SIDE, _SQUARE_UM)
    block = _blocks(positions, corner, side_um)
    square_block = _blocks(occupied_squares(positions, _SQUARE_UM), corner, side_um)
    first, second = edges(contacts)
    ends = np.concatenate([block[first], block[second]])
    between = (is_tumour[first] & is_immune[second]) | (is_immune[first] & is_tumour[second])
    within = is_immune[first] & is_immune[second]
    area_mm2 = _by_block(square_block, (_SQUARE_UM / 1000) ** 2)
    immune = _by_block(block, is_immune)
    return Measures(
        n_cells=len(positions),
        n_tumour=int(is_tumour.sum()),
        n_immune=int(is_immune.sum()),
        n_inside=int(inside.sum()),
        area_mm2=float(area_mm2.sum()),
        immune_density=Ratio(immune, area_mm2),
        immune_share=Ratio(immune, _by_block(block, 1.0)),
        mixing=Ratio(_by_block(ends, np.tile(between, 2) / 2), _by_block(ends, np.tile(within, 2) / 2)),
        infiltration=Ratio(_by_block(block, is_immune & inside), _by_block(block, inside)),
    )


def keren_class(measures: Measures, *, cold_below_per_mm2: float, mixed_above: float) -> Call:
    """Call a section cold, compartmentalized or mixed, after Keren et al. 2018 (Cell 174, 1373).

    Cold: too few immune cells; else compartmentalized below the cut of the mixing score and mixed from it on.

    Parameters
    ----------
    measures
        See `measure`.
    cold_below_per_mm2
        Immune cells per mm2 below which a section is cold.
    mixed_above
        Mixing score at or above which it is mixed.
    """
    if not measures.n_tumour:
        return Call("", note="no tumour cells: cold, compartmentalized and mixed are not testable")
    density = measures.immune_density
    few = density.confidence(cold_below_per_mm2)
    if density.value < cold_below_per_mm2:
        return Call(COLD, few)
    mixing = measures.mixing
    if np.isnan(mixing.value):
        return Call("", note="immune cells touch neither tumour nor each other: mixing is not testable")
    name = MIXED if mixing.value >= mixed_above else COMPARTMENTALIZED
    return Call(name, float(np.minimum(few, mixing.confidence(mixed_above))))


def immune_phenotype(measures: Measures, *, infiltrated_above: float, desert_below: float) -> Call:
    """Call a section infiltrated, excluded or desert (Chen & Mellman 2017, Nature 541, 321).

    Infiltrated: enough of the cells inside tumour regions are immune cells. Else desert when immune cells are
    rare in the whole section, and excluded when they are there but stay outside the tumour.

    Parameters
    ----------
    measures
        See `measure`.
    infiltrated_above
        Immune share inside tumour regions at or above which a section is infiltrated, 0 to 1.
    desert_below
        Immune share of all cells below which it is a desert, 0 to 1.
    """
    if not measures.n_tumour:
        return Call("", note="no tumour cells: desert, excluded and infiltrated are not testable")
    share, infiltration = measures.immune_share, measures.infiltration
    rare = share.confidence(desert_below)
    if not measures.n_inside:
        if share.value < desert_below:
            return Call(DESERT, rare)
        return Call("", note="tumour cells form no region: excluded and infiltrated are not testable")
    reached = infiltration.confidence(infiltrated_above)
    if infiltration.value >= infiltrated_above:
        return Call(INFILTRATED, reached)
    name = DESERT if share.value < desert_below else EXCLUDED
    return Call(name, float(np.minimum(reached, rare)))
