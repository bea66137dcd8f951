"""Effects beside the cells that moved least: a fraction that grows makes the others shrink."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cohort.testing.effects import Effects, mean_of_patients
from stietime.cohort.testing.patient_tests import find_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cohort.design.designs import Contrast
    from stietime.cohort.testing.measures import Arms, Measure

MIN_PARTS: Final = 4  # disjoint kinds of cells, of which the steadier half is the reference
MIN_REFERENCE: Final = 2
MOST_COUNTING: Final = 0.5  # variance of the log by counting of a part that may be in the reference


@dataclass(frozen=True)
class Relative:
    """Effects of entities against the reference of their parent.

    Parameters
    ----------
    effects
        One per entity; nan where the parent has no reference, or the entity is most of it.
    reference
        The kinds of cells that each entity was compared with, joined by commas; empty without.
    """

    effects: Effects
    reference: list[str]


def relative_effects(
    contrast: Contrast, measure: Measure, values: Arms, *, min_pairs: int
) -> Relative | None:
    """Compare each kind of cell with those that moved least, instead of with all others.

    The parts of a parent (lineages of all cells, or of immune cells) shift in the logs of their fractions. If
    most did not change in number, their shifts agree and are what the growth of others did to them. The
    reference is the half of the parts with the closest shifts (the shorth, whose middle estimates the mode,
    and which up to half of the parts cannot move). Each entity is then tested like a fraction, among itself
    and the reference without its own part: no growth of another kind can act on that.

    Parameters
    ----------
    contrast
        The contrast.
    measure
        Cell fractions with the parts of their parents.
    values
        What `arms` gave for both.
    min_pairs
        As for the fractions.

    Returns
    -------
    Effects as log-ratios to the reference; nothing where no parent has four parts that can be judged.

    References
    ----------
    Lin, Peddada 2020, Nat Commun 11:3514 (ANCOM-BC); Zhou et al. 2022, Genome Biol 23:95 (LinDA): the mode of
    the shifts as bias. Rousseeuw, Leroy 1988, Stat Neerl 42:103 (shorth).
    """
    entities = list(measure.numerator.columns)
    steady = {parent: _steady(parts, entities, values) for parent, parts in measure.parts.items()}
    counts = measure.numerator.to_numpy(dtype=float)
    depths, reference = np.zeros_like(counts), []
    for place, entity in enumerate(entities):
        parent, own = measure.parents.get(entity, ""), measure.own_part.get(entity, "")
        others = [part for part in steady.get(parent, []) if part != own] if own else []
        if len(others) < MIN_REFERENCE:
            others = []
        reference.append(", ".join(others))
        if others:
            beside = [entities.index(part) for part in others]
            depths[:, place] = counts[:, place] + counts[:, beside].sum(axis=1)
    if not any(reference):
        return None
    depths[measure.denominator.to_numpy() <= 0] = 0
    frame = pd.DataFrame(depths, index=measure.numerator.index, columns=entities)
    against = replace(measure, denominator=frame)
    _, effects = find_effects(contrast, against, min_pairs=min_pairs)
    return Relative(effects, reference)


def _steady(parts: tuple[str, ...], entities: list[str], values: Arms) -> list[str]:
    """Choose the half of the parts whose log fractions shift most alike."""
    places = np.array([entities.index(part) for part in parts], dtype=int)
    if values.sampling_variances is None or not len(places):
        return []
    logs = [-np.log1p(np.exp(-side[:, places])) for side in (values.first, values.second)]
    shifts = mean_of_patients(logs[0]) - mean_of_patients(logs[1])
    measured = [(~np.isnan(side)).sum(axis=0) for side in logs]
    everywhere = np.all([n == n.max() for n in measured], axis=0)
    counting = np.maximum(*(part[places] for part in values.sampling_variances))
    usable = np.flatnonzero(everywhere & values.seen[places] & (counting <= MOST_COUNTING))
    if len(usable) < MIN_PARTS:
        return []
    chosen = usable[shorth(shifts[usable])]
    return [parts[place] for place in sorted(chosen)]


def shorth(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Give the places of the values in the shortest interval that holds more than half of them."""
    order = np.argsort(values, kind="stable")
    size = len(values) // 2 + 1
    widths = values[order[size - 1 :]] - values[order[: len(values) - size + 1]]
    start = int(np.argmin(widths))
    return np.asarray(order[start : start + size])
