"""Samples that quality control excluded: they take part in no contrast, and every table still names them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from stietime.cohort.design.chosen import make_contrasts
from stietime.cohort.design.treatment_designs import every_contrast

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from stietime.cohort.design.chosen import Chosen
    from stietime.cohort.design.designs import Contrast

MAX_NAMED: Final = 5


def contrasts_without(
    excluded: Collection[str],
    samples: pd.DataFrame,
    *,
    before: str,
    after: str,
    min_pairs: int,
    chosen: Sequence[Chosen] = (),
) -> tuple[list[Contrast], dict[str, list[str]]]:
    """List the contrasts of a cohort, made without its excluded samples.

    A contrast that lost all samples of an arm stays, with an empty arm, so that it is told as not measured.

    Parameters
    ----------
    excluded
        Names of the excluded samples.
    samples
        All samples, as `name_treatment` or `name_cohort` gives them.
    before, after, min_pairs
        As `every_contrast` takes them.
    chosen
        Contrasts of the configuration, which stand behind.

    Returns
    -------
    The contrasts in the order of `every_contrast`; and, for those that lost samples, which ones by name.
    """
    out = [sample for sample in samples.index if sample in set(excluded)]
    find = partial(every_contrast, before=before, after=after, min_pairs=min_pairs)
    configured = make_contrasts(chosen, samples)
    every = [*find(samples), *configured]
    made = {contrast.name: contrast for contrast in find(samples.drop(index=out))}
    made |= {contrast.name: _without(contrast, out) for contrast in configured}
    contrasts, lost = [], {}
    for whole in every:
        rest = made.get(whole.name) or _without(whole, out)
        if whole.name not in made and len(rest.first) and len(rest.second) and len(rest.patients):
            continue  # a stratum that became all there is: the contrast over all patients stands for it
        contrasts.append(rest)
        left_out = [name for name in out if name in _samples_of(whole)]
        if left_out:
            lost[whole.name] = left_out
    return contrasts, lost


def _without(contrast: Contrast, excluded: list[str]) -> Contrast:
    first, second = (arm[~arm.index.isin(excluded)] for arm in (contrast.first, contrast.second))
    minus = None if contrast.minus is None else _without(contrast.minus, excluded)
    return replace(contrast, first=first, second=second, minus=minus)


def _samples_of(contrast: Contrast) -> set[str]:
    below = set() if contrast.minus is None else _samples_of(contrast.minus)
    return {*contrast.first.index, *contrast.second.index} | below


def note_excluded(table: pd.DataFrame, lost: dict[str, list[str]]) -> pd.DataFrame:
    """Say in the note of every row of a contrast which of its samples are excluded.

    It stands before what the note says already, whose end others read.

    Parameters
    ----------
    table
        As `contrasts.compare` gives it.
    lost
        The excluded samples by contrast.
    """
    told = {name: _tell(samples) for name, samples in lost.items()}
    prefix = table["contrast"].map(told).fillna("").astype(str)
    both = (prefix != "") & (table["note"] != "")
    return table.assign(note=prefix + both.map({True: "; ", False: ""}) + table["note"])


def _tell(samples: list[str]) -> str:
    n, rest = len(samples), len(samples) - MAX_NAMED
    named = ", ".join(samples[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return f"{n} sample{'' if n == 1 else 's'} excluded ({named})"
