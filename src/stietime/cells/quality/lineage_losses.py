"""What quality control took from each provisional lineage, and where that is more than its share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.names import KEPT, UNCLEAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.object_]

ANY: Final = "any"
MAX_P: Final = 0.001  # surely more than the other cells, with some tens of lineages and reasons looked at
LOSS_COLUMNS: Final = (
    "sample",
    "lineage",
    "reason",
    "n_cells",
    "n_removed",
    "fraction",
    "rest_fraction",
    "p",
    "warning",
)
_EMPTY: Final = "empty"


def lineage_losses(sample: str, lineages: Words, reasons: Words, *, max_loss: float) -> pd.DataFrame:
    """Count what each lineage lost, and test whether it is more than the other cells lost.

    The test is Fisher's exact test, one-sided: the probability that as many of the dropped cells or more
    are of the lineage when lineage and loss have nothing to do with each other (hypergeometric). Empty
    droplets of no lineage are no cells, and are left out of the other cells.

    Parameters
    ----------
    sample
        Name of the sample.
    lineages
        Provisional lineage of each cell.
    reasons
        `kept` or why the cell was dropped.
    max_loss
        A lineage that loses a larger share, and surely more than the other cells, is warned of; cells of
        unclear lineage are not, as dying cells and debris have no markers left.

    Returns
    -------
    `LOSS_COLUMNS`: one row per lineage for each reason that dropped a cell of the sample, and one for `any`;
    rest_fraction and p are nan when there are no other cells.
    """
    found = sorted(set(reasons.tolist()) - {KEPT})
    wanted = [*found, ANY]
    dropped = np.stack([*(reasons == reason for reason in found), reasons != KEPT], axis=1)
    debris = (lineages == UNCLEAR) & (reasons == _EMPTY)
    table = []
    for lineage in sorted(set(lineages.tolist())):
        own = lineages == lineage
        rest = ~own & ~debris
        removed, others = dropped[own].sum(axis=0), dropped[rest].sum(axis=0)
        sizes = int(own.sum()), int(rest.sum())
        rows = {
            "sample": sample,
            "lineage": lineage,
            "reason": wanted,
            "n_cells": sizes[0],
            "n_removed": removed,
            "fraction": removed / sizes[0],
            "rest_fraction": others / sizes[1] if sizes[1] else np.nan,
            "p": _p_values(removed, others, sizes),
        }
        table.append(pd.DataFrame(rows))
    losses = pd.concat(table, ignore_index=True) if table else pd.DataFrame(columns=list(LOSS_COLUMNS[:-1]))
    return losses.assign(warning=_warnings(losses, max_loss))[list(LOSS_COLUMNS)]


def _p_values(
    removed: NDArray[np.int64], others: NDArray[np.int64], sizes: tuple[int, int]
) -> NDArray[np.float64] | float:
    from scipy.stats import hypergeom

    n_own, n_rest = sizes
    if not n_rest:
        return float("nan")
    return np.asarray(hypergeom.sf(removed - 1, n_own + n_rest, removed + others, n_own))


def _warnings(losses: pd.DataFrame, max_loss: float) -> list[str]:
    warned = (losses["fraction"] > max_loss) & (losses["p"] < MAX_P) & (losses["lineage"] != UNCLEAR)
    words = "loses {:.0%} ({} of {}), the other cells {:.1%}"
    columns = (losses[name] for name in ("fraction", "n_removed", "n_cells", "rest_fraction"))
    return [words.format(*row) if here else "" for *row, here in zip(*columns, warned, strict=True)]
