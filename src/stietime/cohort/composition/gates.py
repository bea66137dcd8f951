"""Cells that match a subset of the reviews: among immune cells, where parents are rare, and PD-1+ T cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.composition.composition import (
    LEVEL_GATED,
    Entity,
    finish_counts,
    not_captured,
    of_immune,
)
from stietime.cohort.composition.hierarchy import IMMUNE, Labels, Mask, tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEUTRAL_SCORE: Final = 0.0  # where genes that must be high and genes that must be low rank alike
PD1_GATE: Final = "pd1_t"  # PDCD1 alone: above 0 where a molecule of it was seen
PD1_RATIO: Final = "treg_pd1_vs_teff_pd1"


def count_gated(
    cells: pd.DataFrame,
    samples: pd.DataFrame,
    sets: pd.DataFrame,
    wanted: Sequence[str],
    *,
    min_parent_cells: int,
    excluded: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Count the cells of each wanted subset among immune cells.

    A cell matches a subset when it is called as it; or, where there is no call, when it is of the subset's
    parent and scores above 0 for its set: the genes that must be high rank above those that must be low.

    Parameters
    ----------
    cells, samples, sets, min_parent_cells, excluded
        As `count_entities` takes them; the cells with columns `score_<set_id>`.
    wanted
        Marker sets. Only those of level `state`, whose cells belong to a parent, are counted.

    Returns
    -------
    Rows as those of `count_entities`, with the level `gated` and entities named `<set>_of_immune`; and
    `treg_pd1_vs_teff_pd1`, the PD-1+ Treg among these and PD-1+ CD8 T cells together, so that its log-odds
    are the log of their ratio.
    """
    labels, counts, codes = tally(cells, sets)
    counts = counts.reindex(samples.index, fill_value=0)
    immune = labels.members(IMMUNE)
    where = pd.Categorical(cells[names.SAMPLE].astype(str), categories=samples.index).codes
    totals = np.bincount(where[immune[codes]], minlength=len(samples))
    parts = []
    for name in dict.fromkeys(wanted):
        gate = _gate(name, cells, labels, codes, sets)
        if gate is None:
            continue
        matching, parent = gate
        table = pd.DataFrame(
            {
                "sample": samples.index.to_numpy(dtype=object),
                "entity": of_immune(name),
                "level": LEVEL_GATED,
                "n": np.bincount(where[matching & immune[codes]], minlength=len(samples)),
                "parent": IMMUNE,
                "n_parent": totals,
            }
        )
        entity = Entity(of_immune(name), LEVEL_GATED, IMMUNE, parent, immune)
        parts.append(table.assign(note=not_captured(entity, counts, samples, labels)))
    parts += _pd1_ratio(cells, samples, labels, codes, where)
    if not parts:
        return pd.DataFrame(
            columns=["sample", "entity", "level", "n", "parent", "n_parent", "fraction", "note"]
        )
    return finish_counts(parts, samples, min_parent_cells=min_parent_cells, excluded=excluded or {})


def _pd1_ratio(
    cells: pd.DataFrame, samples: pd.DataFrame, labels: Labels, codes: np.ndarray, where: np.ndarray
) -> list[pd.DataFrame]:
    """Count PD-1+ Treg beside PD-1+ CD8 T cells; nothing where Treg are not called or PDCD1 is not scored.

    Both are cells of one sample, so that what is lost of the gene's few molecules is lost on both sides.
    """
    column = names.score_column(PD1_GATE)
    if column not in cells.columns or names.call_column("treg") not in labels.table.columns:
        return []
    score = cells[column].to_numpy(dtype=float, na_value=np.nan)
    positive = np.nan_to_num(score, nan=-1.0) > NEUTRAL_SCORE
    treg = labels.members("treg")[codes]
    effector = labels.members("cd8_t")[codes] & ~treg
    n, n_other = (np.bincount(where[kind & positive], minlength=len(samples)) for kind in (treg, effector))
    table = pd.DataFrame({"sample": samples.index.to_numpy(dtype=object), "entity": PD1_RATIO})
    return [table.assign(level=LEVEL_GATED, n=n, parent="treg_pd1+cd8_pd1", n_parent=n + n_other, note="")]


def _gate(
    name: str, cells: pd.DataFrame, labels: Labels, codes: np.ndarray, sets: pd.DataFrame
) -> tuple[Mask, Mask] | None:
    """Say which cells match a subset, and which labels are its parent's; None where it cannot be told."""
    if sets["level"].get(name, "") != "state":
        return None
    if names.call_column(name) in labels.table.columns:
        return labels.members(name)[codes], labels.members(labels.parent_of_call(name))
    column = names.score_column(name)
    parent = labels.members(labels.parent_of(name))
    if column not in cells.columns or not (parent & labels.members(IMMUNE)).any() or parent.all():
        return None
    score = cells[column].to_numpy(dtype=float, na_value=np.nan)
    return parent[codes] & (np.nan_to_num(score, nan=-1.0) > NEUTRAL_SCORE), parent
