"""`stietime validate`: check the configuration, the sample sheet and every input file without running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stietime.configuration import read_settings
from stietime.errors import InputError, raise_all
from stietime.plan import read_samples
from stietime.radiotherapy_fields import unlikely
from stietime.sample_sheet import row_numbers
from stietime.settings import expand_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from stietime.inputs.contents import Contents
    from stietime.inputs.read import Prepared
    from stietime.sample import Sample
    from stietime.settings import Settings


@dataclass(frozen=True)
class CheckedSample:
    """What a sample's file was found to hold.

    Parameters
    ----------
    sample
        Name of the sample.
    n_cells, n_genes
        Its size; none when a simulation has yet to write the file.
    """

    sample: str
    n_cells: int | None
    n_genes: int | None

    def __str__(self) -> str:
        """Give the line that the command prints."""
        if self.n_cells is None:
            return f"{self.sample}: the simulation will write it"
        return f"{self.sample}: {self.n_cells} cells x {self.n_genes} genes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    default = Path("config/config.yaml")
    parser.add_argument("--configfile", type=Path, default=default, metavar="FILE", help="configuration")


def run(arguments: argparse.Namespace) -> int:
    """Check everything and print one line per sample.

    Returns
    -------
    0 when everything can be used.

    Raises
    ------
    InputError
        Something cannot; all that was found.
    """
    settings = read_settings(arguments.configfile)
    samples = read_samples(settings)
    for checked in check_inputs(settings, samples):
        print(checked)  # noqa: T201 - the command's answer
    for sentence in unlikely(samples):
        print(f"to check: {sentence}")  # noqa: T201
    return 0


def validate(configfile: Path) -> list[CheckedSample]:
    """Check a configuration, its sample sheet and every input file.

    Parameters
    ----------
    configfile
        The configuration.

    Returns
    -------
    The samples in the order of the sheet.

    Raises
    ------
    InputError
        Something cannot be used; all bad rows, or all bad files, at once.
    """
    settings = read_settings(configfile)
    return check_inputs(settings, read_samples(settings))


def check_inputs(settings: Settings, samples: Iterable[Sample]) -> list[CheckedSample]:
    """Check every input file: that it is what its format says and holds counts.

    Names are read whole, of the counts only as many as tell counts from log values: the step `ingest` looks
    at every one. A file that the simulation has yet to write is passed over.

    Parameters
    ----------
    settings
        The validated configuration.
    samples
        Rows of the sample sheet.

    Raises
    ------
    InputError
        Files that cannot be used, all at once, each with the sample that needs it.
    """
    opened: dict[tuple[Path, str], Contents | InputError] = {}
    checked: list[CheckedSample] = []
    errors = [*_errors_of_gene_sets(settings), *_errors_of_model(settings)]
    sheet = expand_path(settings.samples)
    rows = row_numbers(sheet)
    for sample in samples:
        column = "path"
        try:
            prepared = _prepare(settings, sample, opened)
            checked.append(_checked(sample, prepared))
            column = "raw_path"
            _check_raw(settings, sample, prepared)
            column = "receptors"
            _check_receptors(settings, sample, prepared)
        except InputError as error:
            where = f"{error.where}, named in {sheet}, row {rows[sample.sample]}, column {column}"
            errors.append(InputError(f"sample {sample.sample}: {error.what}", where, error.fix))
    raise_all(errors)
    return checked


def _errors_of_gene_sets(settings: Settings) -> list[InputError]:
    """Check the file of the user's own gene sets."""
    from stietime.inputs.gene_sets import add_gene_sets
    from stietime.resources import read_markers

    if settings.states.gene_sets:
        try:
            add_gene_sets(read_markers(), expand_path(settings.states.gene_sets))
        except InputError as error:
            return [error]
    return []


def _errors_of_model(settings: Settings) -> list[InputError]:
    """Check that the model or reference of the annotation is named and there, and a model that it opens."""
    from stietime.inputs.type_models import read_celltypist

    annotation, where = settings.annotation, "the configuration"
    method, name, path = annotation.method, annotation.takes_over, annotation.taken_from
    if not name:
        return []
    errors = []
    if not path:
        fix = f"name the file in annotation.{name}, or use another method"
        errors.append(InputError(f"annotation.method is {method}, without a file", where, fix))
    elif not expand_path(path).is_file():
        fix = f"mend the path in annotation.{name}"
        errors.append(InputError(f"the {name} does not exist", expand_path(path), fix))
    elif method == "celltypist":
        try:
            read_celltypist(expand_path(path))
        except InputError as error:
            errors.append(error)
    if method == "reference" and not annotation.reference_column:
        fix = "name the column of the labels in annotation.reference_column"
        errors.append(InputError("annotation.method is reference, without a column of labels", where, fix))
    return errors


def _prepare(
    settings: Settings, sample: Sample, opened: dict[tuple[Path, str], Contents | InputError]
) -> Prepared | None:
    """Check all of a file but its counts; nothing when a simulation has yet to write it."""
    from stietime.inputs.read import prepare
    from stietime.steps.ingest import reading_options

    if settings.simulation and not sample.file.exists():
        return None
    key = (sample.file, sample.format)
    if key not in opened:
        opened[key] = _open(sample, settings.inputs.values)
    contents = opened[key]
    if isinstance(contents, InputError):
        raise contents
    return prepare(contents, reading_options(sample, settings.inputs))


def _checked(sample: Sample, prepared: Prepared | None) -> CheckedSample:
    if prepared is None:
        return CheckedSample(sample.sample, None, None)
    return CheckedSample(sample.sample, len(prepared.rows), prepared.n_genes)


def _check_raw(settings: Settings, sample: Sample, prepared: Prepared | None) -> None:
    """Open the unfiltered matrix of a sample, where the sheet names one."""
    from stietime.inputs.empty_droplets import open_raw
    from stietime.steps.ingest import reading_options

    if sample.raw_file is None or prepared is None:
        return
    barcodes = prepared.contents.obs.index[prepared.rows]
    symbols = prepared.genes.symbols[~prepared.genes.is_control]
    open_raw(sample.raw_file, barcodes, symbols, reading_options(sample, settings.inputs))


def _check_receptors(settings: Settings, sample: Sample, prepared: Prepared | None) -> None:
    """Read the receptors of a sample, where the sheet names a file of them, and look for its cells."""
    from stietime.inputs.receptors import read_receptors
    from stietime.steps.read_receptors import match_barcodes

    if sample.receptors and prepared is not None:
        path = expand_path(sample.receptors)
        barcodes = prepared.contents.obs.index[prepared.rows].astype(object)
        receptors = read_receptors(path, settings.clones.clone_column)
        match_barcodes(receptors, barcodes, path, settings.clones.min_known_barcodes)


def _open(sample: Sample, values: str) -> Contents | InputError:
    """Open a file once for all samples that share it; an error is kept for each of them."""
    from stietime.inputs.read import glance, open_input

    try:
        contents = open_input(sample.file, sample.format, values)
        glance(contents)
    except InputError as error:
        return error
    return contents
