"""Sharing between two environments of a patient, as rows of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from stietime import names
from stietime.cohort.clonotypes.rows import ALL_CELLS, row, too_few
from stietime.cohort.clonotypes.sharing import (
    exact_interval,
    jaccard,
    morisita_horn,
    shared_by_chance,
    two_places,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from stietime.cohort.clonotypes.sharing import SharedByChance, TwoPlaces

MORISITA_HORN: Final = "morisita_horn"
JACCARD: Final = "jaccard"
SHARED_CLONES: Final = "shared_clones"
SHARING: Final = "sharing"
SHARING_OF_CLONES: Final = "sharing_of_clones"


def sharing_rows(cells: pd.DataFrame, first: str, second: str, min_cells: int) -> Iterator[dict[str, Any]]:
    """Give what two environments of one patient share at one time.

    Parameters
    ----------
    cells
        One row per cell of one patient at one time, with `clone`, `kind` and `environment`.
    first, second
        The environments; `sharing` is the share of the cells of the second in clones also in the first.
    min_cells
        With fewer cells with a clone in either nothing is testable; a type needs as many in the second.
    """
    one, two = (cells[cells[names.ENVIRONMENT] == place] for place in (first, second))
    pair: dict[str, Any] = {"environment": second, "other": first}
    note = too_few(len(one), min_cells, first) or too_few(len(two), min_cells, second)
    if note:
        for index in (MORISITA_HORN, JACCARD, SHARED_CLONES, SHARING, SHARING_OF_CLONES):
            yield row(ALL_CELLS, index, float("nan"), len(one) + len(two), note=note, **pair)
        return
    places = two_places(one, two)
    chance = shared_by_chance(places)
    yield from _whole(places, chance, pair)
    yield from _by_kind(places, chance, pair, min_cells)


def _whole(places: TwoPlaces, chance: SharedByChance, pair: dict[str, Any]) -> Iterator[dict[str, Any]]:
    x, y = places.sizes
    shared = (x > 0) & (y > 0)
    both, n_shared = int(x.sum() + y.sum()), int(shared.sum())
    either = int(((x > 0) | (y > 0)).sum())
    yield row(ALL_CELLS, MORISITA_HORN, morisita_horn(x, y), both, n_clones=either, **pair)
    yield row(ALL_CELLS, JACCARD, jaccard(x, y), both, n_clones=either, **pair)
    yield row(ALL_CELLS, SHARED_CLONES, n_shared, both, n_clones=either, expected=chance.n_clones,
              expected_sd=chance.sd, **pair)  # fmt: skip
    n_second = int((y > 0).sum())
    value = float(y[shared].sum() / y.sum())
    yield row(ALL_CELLS, SHARING, value, int(y.sum()), n_clones=n_second, expected=chance.of_second, **pair)
    yield row(ALL_CELLS, SHARING_OF_CLONES, n_shared / n_second, int(y.sum()), n_clones=n_second,
              interval=exact_interval(n_shared, n_second), **pair)  # fmt: skip


def _by_kind(
    places: TwoPlaces, chance: SharedByChance, pair: dict[str, Any], min_cells: int
) -> Iterator[dict[str, Any]]:
    in_first = places.first.sum(axis=1) > 0
    for number, kind in enumerate(places.kinds):
        own = places.second[:, number]
        n, n_clones = int(own.sum()), int((own > 0).sum())
        if not n:
            continue
        note = too_few(n, min_cells, pair["environment"])
        n_shared = int((own[in_first] > 0).sum())
        yield row(kind, SHARING, float(own[in_first].sum() / n), n, n_clones=n_clones,
                  expected=float(chance.of_second_by_kind[number]), note=note, **pair)  # fmt: skip
        yield row(kind, SHARING_OF_CLONES, n_shared / n_clones, n, n_clones=n_clones,
                  interval=exact_interval(n_shared, n_clones), note=note, **pair)  # fmt: skip
