"""What the claims are about, counted and valued per patient, for the step `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from stietime.cohort.design.designs import Contrast
    from stietime.cohort.testing.measures import Measure


def count_claimed(
    cells: pd.DataFrame,
    samples: pd.DataFrame,
    sets: pd.DataFrame,
    *,
    min_parent_cells: int,
    excluded: Mapping[str, str],
) -> pd.DataFrame:
    """Count the subsets that claims are about among immune cells.

    Parameters
    ----------
    cells, samples, sets, min_parent_cells, excluded
        As `count_entities` takes them.
    """
    from stietime.cohort.composition.gates import count_gated
    from stietime.resources import read_claims

    claims = read_claims()
    wanted = sorted(claims.loc[claims["testable"] == "cell_fraction", "entity_id"].unique())
    return count_gated(cells, samples, sets, wanted, min_parent_cells=min_parent_cells, excluded=excluded)


def with_gated(composition: pd.DataFrame, gated: pd.DataFrame) -> pd.DataFrame:
    """Put the gated subsets behind the other entities of their sample.

    Parameters
    ----------
    composition, gated
        As `count_entities` and `count_gated` give them.
    """
    import pandas as pd

    if gated.empty:
        return composition
    together = pd.concat([composition, gated], ignore_index=True)
    return together.sort_values(["sample"], kind="stable", ignore_index=True)


def claimed_values(contrasts: Sequence[Contrast], measures: Sequence[Measure]) -> pd.DataFrame:
    """Give the values of the patients of everything that a claim is about.

    Parameters
    ----------
    contrasts, measures
        As `compare` takes them.
    """
    from stietime.cohort.claims.claims import entities_of
    from stietime.cohort.testing.patient_values import patient_values
    from stietime.resources import read_claims

    return patient_values(contrasts, measures, entities_of(read_claims()))
