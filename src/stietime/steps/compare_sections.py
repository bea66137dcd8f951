"""Put the sections of a cohort side by side, and beside the classes their authors published."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stietime import storage
from stietime.settings import Spatial
from stietime.steps.arguments import add_path, add_paths, add_settings

if TYPE_CHECKING:
    import argparse

    import pandas as pd

LOG = logging.getLogger(__name__)
PUBLISHED = "published_class"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--architecture", "architecture.tsv of every section, in the order of the sample sheet")
    add_settings(parser, Spatial)
    add_path(parser, "--output", "table of all sections to write (TSV)")


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
    LOG.info(
        "%d sections: %s", len(sections), sections["class"].fillna("not testable").value_counts().to_dict()
    )


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
