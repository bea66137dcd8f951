"""The test of every entity of a measure in a contrast: paired, or between groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime.cohort.testing.effects import Effects, group_effects, paired_effects
from stietime.cohort.testing.measures import Arms, Measure, arms

if TYPE_CHECKING:
    from stietime.cohort.design.designs import Contrast


def find_effects(contrast: Contrast, measure: Measure, *, min_pairs: int) -> tuple[Arms, Effects]:
    """Test every entity of a measure in a contrast.

    Parameters
    ----------
    contrast, measure, min_pairs
        As `compare` takes them.

    Returns
    -------
    The values of the patients, and one effect for each entity.
    """
    values = arms(measure, contrast)
    counting = values.sampling_variances
    if not contrast.paired:
        return values, group_effects(
            values.first,
            values.second,
            testable=values.seen,
            min_group=min_pairs,
            sampling_variances=counting,
        )
    return values, paired_effects(
        values.first,
        values.second,
        testable=values.seen,
        min_pairs=min_pairs,
        sampling_variance=None if counting is None else counting[0] + counting[1],
    )
