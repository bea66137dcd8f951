"""What the contrasts need to know of the samples and of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from stietime.cohort.design.chosen import Chosen
    from stietime.cohort.design.designs import Contrast
    from stietime.settings import Comparison
    from stietime.settings.comparison import Conditions


def with_columns(samples: pd.DataFrame, sheet: pd.DataFrame) -> pd.DataFrame:
    """Add the further columns of the sample sheet, as text, for the conditions of contrasts.

    Parameters
    ----------
    samples
        Named samples.
    sheet
        One row per sample with `sample` and any columns of the sheet.
    """
    further = [column for column in sheet.columns if column not in (names.SAMPLE, *samples.columns)]
    text = sheet.set_index(names.SAMPLE)[further].astype(object)
    return samples.join(text.where(text.notna(), "").astype(str))


def described_samples(samples: pd.DataFrame, sheet: pd.DataFrame, settings: Comparison) -> pd.DataFrame:
    """Add what the sheet says of response and radiotherapy, and its further columns, for the contrasts.

    Parameters
    ----------
    samples
        Named samples.
    sheet
        One row per sample with `sample` and any columns of the sheet.
    settings
        Holds the words for response, and the limits of dose.
    """
    from stietime.cohort.design.treatment import name_treatment

    return name_treatment(
        with_columns(samples, sheet),
        responders=settings.responder_names,
        non_responders=settings.non_responder_names,
        dose_limits=settings.dose_limits_gy,
    )


def sheet_columns(settings: Comparison) -> list[str]:
    """List the columns of the sample sheet that contrasts are made of and judged by.

    Parameters
    ----------
    settings
        Holds the contrasts of the configuration.
    """
    from stietime.cells.embedding.contrast_design import TECHNICAL
    from stietime.cohort.design.chosen import columns_of
    from stietime.cohort.design.samples import SHEET_COLUMNS
    from stietime.cohort.design.treatment import SHEET_COLUMNS as TREATMENT_COLUMNS

    further = columns_of(chosen_contrasts(settings))
    return list(dict.fromkeys((names.SAMPLE, *SHEET_COLUMNS, *TECHNICAL, *TREATMENT_COLUMNS, *further)))


def cohort_contrasts(
    samples: pd.DataFrame, sheet: pd.DataFrame, excluded: dict[str, str], settings: Comparison
) -> tuple[list[Contrast], dict[str, list[str]]]:
    """List the contrasts of a cohort, and the excluded samples that each of them lost.

    Parameters
    ----------
    samples
        Named samples.
    sheet
        One row per sample with `sheet_columns`.
    excluded
        The reason of each excluded sample.
    settings
        The configuration.
    """
    from stietime.cohort.design.exclusions import contrasts_without

    return contrasts_without(
        excluded,
        described_samples(samples, sheet, settings),
        before=settings.before,
        after=settings.after,
        min_pairs=settings.min_pairs,
        chosen=chosen_contrasts(settings),
    )


def confounding_reasons(contrasts: Sequence[Contrast], sheet: pd.DataFrame) -> dict[str, str]:
    """Say of which contrasts nothing can be concluded, and why.

    Parameters
    ----------
    contrasts
        As `find_contrasts` lists them.
    sheet
        One row per sample with `sample` and the columns of batch, chemistry and study that there are.
    """
    from stietime.cells.embedding.contrast_design import Arms, confounded_contrasts, judge_contrasts
    from stietime.cohort.design.designs import SECOND_DIFFERENCE

    parts = {f"{one.name}{key}": part for one in contrasts for key, part in one.differences().items()}
    arms = {name: Arms(part.first, part.second, part.paired) for name, part in parts.items()}
    judged = confounded_contrasts(judge_contrasts(sheet.set_index(names.SAMPLE), arms))
    return {name.removesuffix(SECOND_DIFFERENCE): reason for name, reason in judged.items()}


def chosen_contrasts(settings: Comparison) -> list[Chosen]:
    """Read the contrasts of the configuration.

    Parameters
    ----------
    settings
        Holds them.
    """
    from stietime.cohort.design.chosen import Chosen

    def texts(conditions: Conditions) -> dict[str, tuple[str, ...]]:
        """Write the values of conditions as the sample sheet does."""
        each = {key: given if isinstance(given, tuple) else (given,) for key, given in conditions.items()}
        return {column: tuple(str(value) for value in values) for column, values in each.items()}

    return [
        Chosen(
            choice.name,
            texts(choice.first),
            texts(choice.second),
            choice.paired,
            texts(choice.minus.first) if choice.minus else None,
            texts(choice.minus.second) if choice.minus else None,
        )
        for choice in settings.contrasts
    ]
