"""Put the sections of a cohort side by side, and beside the classes their authors published."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stietime import storage
from stietime.cohort.testing.section_contrasts import section_contrasts
from stietime.settings import Comparison, Spatial
from stietime.steps.arguments import add_optional_paths, add_path, add_paths, add_settings
from stietime.steps.section_values import niche_values, section_values

if TYPE_CHECKING:
    import argparse

LOG = logging.getLogger(__name__)
PUBLISHED = "published_class"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--architecture", "architecture.tsv of every section, in the order of the sample sheet")
    text = "shares of the niches in all sections (TSV)"
    add_optional_paths(parser, "--niche-shares", text)
    add_settings(parser, Spatial)
    add_settings(parser, Comparison, "--comparison")
    add_path(parser, "--output", "table of all sections to write (TSV)")
    text = "table of contrasts between patients to write (TSV); without it nothing is compared"
    parser.add_argument("--contrasts", type=Path, metavar="FILE", help=text)


def run(arguments: argparse.Namespace) -> None:
    """Stack the sections; where a class was published, say whether ours agrees."""
    sections = storage.stack_tables(
        arguments.architecture, ["section", "class", "class_keren", "class_phenotype"]
    )
    if PUBLISHED in sections.columns:
        sections["agrees"] = agreement(sections)
        compared = sections["agrees"].dropna()
        LOG.info(
            "the class agrees with the published one in %d of %d sections", compared.sum(), len(compared)
        )
    storage.write_table(sections, arguments.output)
    if arguments.contrasts:
        storage.write_table(_contrasts(sections, arguments), arguments.contrasts)
    LOG.info(
        "%d sections: %s", len(sections), sections["class"].fillna("not testable").value_counts().to_dict()
    )


def _contrasts(sections: pd.DataFrame, arguments: argparse.Namespace) -> pd.DataFrame:
    """Compare the numbers of the sections between patients; the tables lie beside the architecture's."""
    options: Comparison = arguments.comparison
    parts = [section_values(path) for path in arguments.architecture]
    parts += [niche_values(path) for path in arguments.niche_shares]
    values = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    found = section_contrasts(
        values, sections, before=options.before, after=options.after, min_pairs=options.min_pairs
    )
    tested, clear = (found["status"] == "tested").sum(), (found["q"] <= options.alpha).sum()
    LOG.info("%d of %d contrasts of sections are testable, %d with a small q", tested, len(found), clear)
    return found


def agreement(sections: pd.DataFrame) -> pd.Series:
    """Compare each published class with ours of the same vocabulary.

    Parameters
    ----------
    sections
        One row per section with `published_class`, `class_keren` and `class_phenotype`.

    Returns
    -------
    True or false per section; missing where nothing was published or our class is not testable.
    """
    from stietime.tissue.regions import architecture

    keren = (architecture.COLD, architecture.COMPARTMENTALIZED, architecture.MIXED)
    published = sections[PUBLISHED]
    ours = sections["class_keren"].where(published.isin(keren), sections["class_phenotype"])
    known = published.notna() & ours.notna() & (ours != "")
    return (published == ours).astype(object).where(known, None)
