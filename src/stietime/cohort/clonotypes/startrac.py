"""STARTRAC's indices of a patient's clones: expansion, migration between tissues, transition of types."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stietime import names
from stietime.cohort.clonotypes.kinds import CLONE, KIND

if TYPE_CHECKING:
    from collections.abc import Iterator

Counts = NDArray[np.int64]
Vector = NDArray[np.float64]

EXPANSION: Final = "expansion"
MIGRATION: Final = "migration"
TRANSITION: Final = "transition"
INDICES: Final = (EXPANSION, MIGRATION, TRANSITION)


def counts_of(rows: pd.Series, columns: pd.Series) -> tuple[Counts, pd.Index, pd.Index]:
    """Count the cells of each pair of labels.

    Parameters
    ----------
    rows, columns
        Two labels of each cell.

    Returns
    -------
    The counts, and the labels of its rows and columns, sorted.
    """
    down, row_names = pd.factorize(rows.astype(object), sort=True)
    across, column_names = pd.factorize(columns.astype(object), sort=True)
    shape = (len(row_names), len(column_names))
    flat = np.bincount(down * shape[1] + across, minlength=shape[0] * shape[1])
    return flat.reshape(shape), pd.Index(row_names), pd.Index(column_names)


def entropy(counts: Counts) -> Vector:
    """Give Shannon's entropy of each row of counts, in bits; 0 for a row without a count."""
    total = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(total, 1)
    logs = np.log2(share, out=np.zeros_like(share), where=share > 0)
    return np.maximum(-(share * logs).sum(axis=1), 0.0)


def clonality(sizes: Counts) -> float:
    """Give 1 - H / log2(S), with the entropy H of the sizes of S clones; nan for fewer than two clones.

    It is 0 where all clones are of one size, and near 1 where one clone holds nearly all cells.
    """
    sizes = sizes[sizes > 0]
    if len(sizes) < 2:
        return float("nan")
    if sizes.min() == sizes.max():
        return 0.0  # not the rounding of it
    return float(max(0.0, 1 - entropy(sizes[None, :])[0] / np.log2(len(sizes))))


def startrac_indices(cells: pd.DataFrame) -> pd.DataFrame:
    """Give the three indices of every type of cell.

    With p(i|k) the share of clone i among the cells of type k that have a clone,

        expansion(k)  = 1 - H(clones in k) / log2(number of clones in k)
        migration(k)  = sum over i of p(i|k) H(clone i over the tissues)
        transition(k) = sum over i of p(i|k) H(clone i over the types)

    where H is Shannon's entropy in bits, and a clone's entropy is over all its cells, of whatever type.

    Parameters
    ----------
    cells
        One row per cell of one patient, with `clone`, `kind` and `environment`.

    Returns
    -------
    Index `kind`; columns expansion (nan with fewer than two clones), migration, transition, n (cells) and
    n_clones.

    References
    ----------
    Zhang et al. 2018, Nature 564:268 (STARTRAC).
    """
    by_kind, _, kinds = counts_of(cells[CLONE], cells[KIND])
    by_place, _, _ = counts_of(cells[CLONE], cells[names.ENVIRONMENT])
    share = by_kind / by_kind.sum(axis=0)
    return pd.DataFrame(
        {
            EXPANSION: [clonality(column) for column in by_kind.T],
            MIGRATION: share.T @ entropy(by_place),
            TRANSITION: share.T @ entropy(by_kind),
            "n": by_kind.sum(axis=0),
            "n_clones": (by_kind > 0).sum(axis=0),
        },
        index=kinds.rename(KIND),
    )


def pairwise_migration(cells: pd.DataFrame) -> pd.DataFrame:
    """Give, for every type and two tissues, the mean entropy of its clones over the two.

    Only the type's own cells in the two tissues count, as weights and in the entropies.

    Parameters
    ----------
    cells
        As for `startrac_indices`.

    Returns
    -------
    One row per type and pair: kind, first, second (environments), value (nan without a cell), n, n_clones.
    """
    rows = []
    for kind, own in cells.groupby(KIND, sort=True, observed=True):
        table, _, places = counts_of(own[CLONE], own[names.ENVIRONMENT])
        rows += [{KIND: kind, **found} for found in _pairs(table, places)]
    return pd.DataFrame(rows, columns=[KIND, "first", "second", "value", "n", "n_clones"])


def pairwise_transition(cells: pd.DataFrame) -> pd.DataFrame:
    """Give, for every two types, the mean entropy of their clones over the two.

    Parameters
    ----------
    cells
        As for `startrac_indices`.

    Returns
    -------
    One row per unordered pair: first, second (types), value, n (cells of both types), n_clones.
    """
    table, _, kinds = counts_of(cells[CLONE], cells[KIND])
    return pd.DataFrame(_pairs(table, kinds), columns=["first", "second", "value", "n", "n_clones"])


def _pairs(table: Counts, columns: pd.Index) -> Iterator[dict[str, object]]:
    for one, two in combinations(range(len(columns)), 2):
        block = table[:, [one, two]]
        size = block.sum(axis=1)
        n = int(size.sum())
        value = float(size @ entropy(block) / n) if n else float("nan")
        facts = {"first": columns[one], "second": columns[two], "value": value}
        yield {**facts, "n": n, "n_clones": int((size > 0).sum())}
