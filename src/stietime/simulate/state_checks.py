"""Planted beside recovered: fractions of the states, and the directions of their differences."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.simulate.checks import Record, is_within, record
from stietime.simulate.folder import state_parents

if TYPE_CHECKING:
    from collections.abc import Iterator


def _state_fractions(table: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Give fractions by sample and state: planted (probability), drawn (true cells), recovered (called)."""
    planted = truth[truth["level"] == "state"]
    kept = table[table[names.KEEP]]
    rows = []
    for state, parent in state_parents().items():
        inside = kept[is_within(kept[names.CELL_TYPE], parent) | is_within(kept[names.LINEAGE], parent)]
        recovered = inside.groupby(names.SAMPLE)[names.call_column(state)].mean()
        part = planted[planted["entity"] == state]
        rows.append(part.assign(recovered=part[names.SAMPLE].map(recovered), drawn=part["fraction"]))
    return pd.concat(rows, ignore_index=True).rename(columns={"planted_fraction": "planted"})


def fraction_records(table: pd.DataFrame, truth: pd.DataFrame) -> Iterator[Record]:
    """Compare the mean fraction of each state in its parent, for each environment and time point.

    Met: between half and twice the planted fraction.

    Parameters
    ----------
    table
        See `join_truth`.
    truth
        truth.tsv of the simulation.
    """
    keys = ["entity", names.ENVIRONMENT, names.TIMEPOINT]
    for key, part in _state_fractions(table, truth).groupby(keys, sort=False):
        state, environment, timepoint = (str(word) for word in key)
        planted, recovered, drawn = (float(part[name].mean()) for name in ("planted", "recovered", "drawn"))
        n = int(part["recovered"].notna().sum())
        note = f"mean over {n} samples; {drawn:.3f} of the cells that were drawn; met from half to twice"
        met = bool(planted / 2 <= recovered <= planted * 2)
        where = (environment, timepoint)
        yield record("state_fraction", state, planted, recovered, n, met=met, note=note, where=where)


def _differences(part: pd.DataFrame, axis: str, pair: tuple[str, str]) -> pd.DataFrame:
    """Second minus first of a pair of samples, planted and recovered, one row per patient that has both."""
    kinds = ["planted", "recovered"]
    # a state that was found nowhere must stay, as missing
    wide = part.pivot_table(index=names.PATIENT, columns=axis, values=kinds, dropna=False)
    both = {kind: wide[kind][pair[1]] - wide[kind][pair[0]] for kind in kinds}
    return pd.DataFrame(both)


def direction_records(table: pd.DataFrame, truth: pd.DataFrame) -> Iterator[Record]:
    """Compare directions of each state: TIME against STIE, and after against before, paired by patient.

    Met: the mean difference over patients has the planted sign. A pair of which one side is nowhere in the
    cohort gives no record.

    Parameters
    ----------
    table
        See `join_truth`.
    truth
        truth.tsv of the simulation.
    """
    fractions = _state_fractions(table, truth)
    axes = (
        (names.ENVIRONMENT, names.TIMEPOINT, (names.STIE, names.TIME)),
        (names.TIMEPOINT, names.ENVIRONMENT, ("before", "after")),
    )
    for (axis, other, pair), state in itertools.product(axes, state_parents()):
        for level, part in fractions[fractions["entity"] == state].groupby(other, sort=False):
            if not set(pair) <= set(part[axis]):
                continue
            contrast = f"{pair[1]} - {pair[0]}"
            where = (contrast, str(level)) if axis == names.ENVIRONMENT else (str(level), contrast)
            yield _direction(f"direction_{axis}", state, _differences(part, axis, pair), where)


def _direction(check: str, state: str, differences: pd.DataFrame, where: tuple[str, str]) -> Record:
    planted, recovered = float(differences["planted"].mean()), float(differences["recovered"].mean())
    n = int(differences["recovered"].notna().sum())
    same = int((np.sign(differences["recovered"]) == np.sign(planted)).sum())
    met = bool(np.sign(planted) == np.sign(recovered))
    note = f"mean difference of fractions; {same} of {n} patients have the planted sign"
    return record(check, state, planted, recovered, n, met=met, note=note, where=where)
