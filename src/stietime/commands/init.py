"""`stietime init`: a config and a sample sheet to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stietime.errors import InputError, raise_all
from stietime.radiotherapy_fields import RadiotherapyFields
from stietime.storage import write_text

if TYPE_CHECKING:
    import argparse

CONFIG = """\
# Every option and its default: config/README.md. Only what differs from the default needs to stand here.
# Cohorts of radiotherapy: add the columns {radiotherapy} to the sheet.
samples: {folder}/samples.tsv
results_dir: results/{name}
"""
COLUMNS = (
    *("sample", "patient", "environment", "tissue", "modality", "format", "path", "subset", "batch"),
    *("chemistry", "species", "cancer", "timepoint", "treatment", "response"),
)
EXAMPLE = (
    "p1_blood p1 STIE blood cells 10x_h5 data/p1_blood.h5 - batch1 10x_3p_v3 human NSCLC before none -",
    "p1_tumour p1 TIME lung cells 10x_h5 data/p1_tumour.h5 - batch1 10x_3p_v3 human NSCLC before none -",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, help="folder for config.yaml and samples.tsv")


def sheet_text() -> str:
    """Return a sample sheet with the columns and two rows to replace."""
    rows = ["\t".join("" if word == "-" else word for word in row.split()) for row in EXAMPLE]
    return "\n".join(["\t".join(COLUMNS), *rows]) + "\n"


def run(arguments: argparse.Namespace) -> int:
    """Write the two files; files that exist are never overwritten.

    Raises
    ------
    InputError
        A file of that name exists.
    """
    folder: Path = arguments.folder
    texts = {
        folder / "config.yaml": CONFIG.format(
            folder=folder, name=folder.resolve().name, radiotherapy=", ".join(RadiotherapyFields.model_fields)
        ),
        folder / "samples.tsv": sheet_text(),
    }
    fix = "choose another folder, or move the file away"
    raise_all([InputError("the file exists", path, fix) for path in texts if path.exists()])
    for path, text in texts.items():
        write_text(text, path)
        print(f"wrote {path}")  # noqa: T201 - the command's answer
    print(f"edit samples.tsv, then: stietime run --configfile {folder / 'config.yaml'}")  # noqa: T201
    return 0
