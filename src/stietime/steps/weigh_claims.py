"""Give each claim of the reviews a verdict."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stietime import names, storage
from stietime.settings import Comparison
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--contrasts", "contrasts.tsv, as the step `compare` writes it")
    add_path(parser, "--composition", "composition.tsv, as the step `compare` writes it")
    add_path(parser, "--cells", "cells.parquet, which holds the sample sheet's columns")
    add_settings(parser, Comparison)
    add_path(parser, "--output", "table of claims to write (TSV), one row for each claim")


def run(arguments: argparse.Namespace) -> None:
    """Weigh all claims against the contrasts and write one row for each."""
    from stietime.cohort.claims import gather_evidence, weigh
    from stietime.cohort.contrasts import COLUMNS
    from stietime.cohort.verdicts import Margins
    from stietime.resources import read_claims
    from stietime.steps.compare import named_samples

    settings: Comparison = arguments.settings
    margins = Margins(
        settings.equivalence_log_odds, settings.equivalence_score, settings.equivalence_log2_fold
    )
    contrasts = storage.read_table(arguments.contrasts, COLUMNS)
    composition = storage.read_table(arguments.composition, ["entity", "level"])
    cells = storage.read_table(arguments.cells, [names.SAMPLE, names.PATIENT, names.ENVIRONMENT])
    evidence = gather_evidence(contrasts, composition, named_samples(cells, settings))
    claims = weigh(read_claims(), evidence, alpha=settings.alpha, margins=margins)
    storage.write_table(claims, arguments.output)
    LOG.info("%d claims: %s", len(claims), claims["verdict"].value_counts().to_dict())
    LOG.info("reasons: %s", claims["reason"].value_counts().to_dict())
