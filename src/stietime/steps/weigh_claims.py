"""Give each claim of the reviews a verdict."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stietime import names, storage
from stietime.errors import InputError, raise_all
from stietime.settings import Comparison
from stietime.steps.arguments import add_optional_paths, add_path, add_settings

if TYPE_CHECKING:
    import argparse

    import pandas as pd

    from stietime.cohort.claims.evidence import Answer

REGULATORS = ("contrast", "gene", "cell_type", "makes_it", "estimate", "q", "n_patients")
LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--contrasts", "contrasts.tsv, as the step `compare` writes it")
    add_path(parser, "--composition", "composition.tsv, as the step `compare` writes it")
    add_path(parser, "--cells", "cells.parquet, which holds the sample sheet's columns")
    add_optional_paths(parser, "--regulators", "regulators.tsv, genes per cell type, if there is one")
    add_settings(parser, Comparison)
    add_path(parser, "--output", "table of claims to write (TSV), one row for each claim")


def run(arguments: argparse.Namespace) -> None:
    """Weigh all claims against the contrasts and write one row for each.

    Raises
    ------
    InputError
        The configuration names a claim that does not exist.
    """
    from stietime.cohort.claims.claims import weigh
    from stietime.cohort.claims.evidence import gather_evidence
    from stietime.cohort.claims.verdicts import Margins
    from stietime.cohort.testing.contrasts import COLUMNS
    from stietime.resources import read_claims
    from stietime.steps.compare import named_samples

    settings: Comparison = arguments.settings
    margins = Margins(
        settings.equivalence_log_odds, settings.equivalence_score, settings.equivalence_log2_fold
    )
    claims = read_claims()
    answers = _answers(settings, claims)
    contrasts = storage.read_table(arguments.contrasts, COLUMNS)
    composition = storage.read_table(arguments.composition, ["entity", "level"])
    cells = storage.read_table(arguments.cells, [names.SAMPLE, names.PATIENT, names.ENVIRONMENT])
    regulators = storage.stack_tables(arguments.regulators, REGULATORS) if arguments.regulators else None
    evidence = gather_evidence(
        contrasts, composition, named_samples(cells, settings), answers=answers, regulators=regulators
    )
    weighed = weigh(
        claims,
        evidence,
        alpha=settings.alpha,
        margins=margins,
        of_other_cancers=settings.claims_of_other_cancers,
    )
    storage.write_table(weighed, arguments.output)
    LOG.info("%d claims: %s", len(weighed), weighed["verdict"].value_counts().to_dict())
    LOG.info("reasons: %s", weighed["reason"].value_counts().to_dict())


def _answers(settings: Comparison, claims: pd.DataFrame) -> list[Answer]:
    """Read which claims the contrasts of the configuration answer.

    Raises
    ------
    InputError
        A claim does not exist, or two contrasts answer it.
    """
    from stietime.cohort.claims.evidence import Answer

    chosen = [
        Answer(choice.name, **choice.answers.model_dump())
        for choice in settings.contrasts
        if choice.answers is not None
    ]
    known, errors = set(claims["claim_id"]), []
    named = [(claim, answer.contrast) for answer in chosen for claim in answer.claims]
    for claim, contrast in named:
        where = f"comparison.contrasts, {contrast}, answers"
        if claim not in known:
            fix = "use the values of claim_id in claims.tsv"
            errors.append(InputError(f"there is no claim {claim}", where, fix))
        elif [other for other, _ in named].count(claim) > 1:
            fix = "leave it to one of them"
            errors.append(InputError(f"more than one contrast answers the claim {claim}", where, fix))
    raise_all(errors)
    return chosen
