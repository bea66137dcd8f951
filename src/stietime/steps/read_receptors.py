"""Step `read-receptors`: give every cell of a sample its T-cell receptor, from a file or its columns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.settings import Clones, expand_path
from stietime.steps.arguments import add_path, add_settings
from stietime.steps.ingest import add_sample

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from stietime.inputs.receptors import Receptors
    from stietime.sample import Sample

LOG = logging.getLogger(__name__)
COLUMNS = ("cell", "clone", "alpha", "beta", "n_alpha", "n_beta", "status", "n_unknown_barcodes")
MAX_NAMED = 5
GEM_WELL = "-1"  # what Cell Ranger puts behind barcodes, and some deposits take off


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_sample(parser, "--sample")
    add_path(parser, "--counts", "counts of the sample (h5ad), whose cells and columns are read")
    add_settings(parser, Clones)
    add_path(parser, "--output", "receptor of every cell to write (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Read the receptors of a sample and write one row per cell.

    Raises
    ------
    InputError
        The receptor file cannot be used or is that of another sample, or the cells lack the columns.
    """
    from stietime.cells.receptors import given_clones, pair_chains
    from stietime.inputs.receptor_columns import require_names_of_patients

    sample: Sample = arguments.sample
    settings: Clones = arguments.settings
    cells = pd.Index(read_frame(arguments.counts, "obs", []).index, dtype=object)
    barcodes = pd.Index([cell.partition(":")[2] for cell in cells], dtype=object)
    receptors, multiplets = find_receptors(sample, settings, arguments.counts)
    if receptors is None:
        found, n_unknown = given_clones(pd.Series(dtype=object), barcodes), 0
    else:
        where = sample.receptors or sample.path
        receptors, n_unknown = match_barcodes(receptors, barcodes, where, settings.min_known_barcodes)
        if receptors.clones is not None:
            require_names_of_patients(receptors.clones, where)
            found = given_clones(receptors.clones, barcodes)
        else:
            chains = _with_sequences(receptors, settings.match, where)
            found = pair_chains(chains, barcodes, match=settings.match, multiplets=multiplets)
    table = found.assign(cell=cells.to_numpy(), n_unknown_barcodes=n_unknown)
    table["clone"] = table.get("clone", "")
    storage.write_table(table[list(COLUMNS)].reset_index(drop=True), arguments.output)
    told = table["status"].value_counts().to_dict()
    kind = receptors.kind if receptors else "no receptors"
    LOG.info("%s: %s, %s; %d cells of the file are not of the sample", sample.sample, kind, told, n_unknown)


def find_receptors(sample: Sample, settings: Clones, counts: Path) -> tuple[Receptors | None, pd.Index]:
    """Read the receptors of a sample from its file, else from the columns of its cells.

    Parameters
    ----------
    sample
        The row of the sample sheet.
    settings
        The group `clones` of the configuration.
    counts
        The sample's `counts.h5ad`.

    Returns
    -------
    The receptors, or nothing where the sample has none; and the barcodes known to be several cells.
    """
    from stietime.inputs.receptor_columns import chains_of_cells, clones_of_cells
    from stietime.inputs.receptors import read_receptors

    nobody = pd.Index([], dtype=object)
    if sample.receptors:
        return read_receptors(expand_path(sample.receptors), settings.clone_column), nobody
    if not settings.in_cells:
        return None, nobody
    obs = read_frame(counts, "obs")
    obs.index = pd.Index([cell.partition(":")[2] for cell in obs.index], dtype=object)
    obs = obs.loc[:, obs.columns.str.startswith(names.SOURCE_PREFIX)]
    obs.columns = obs.columns.str.removeprefix(names.SOURCE_PREFIX)
    if settings.clone_column:
        return clones_of_cells(obs, settings.clone_column, counts), nobody
    return chains_of_cells(obs, counts)


def match_barcodes(
    receptors: Receptors, barcodes: pd.Index, where: object, min_known: float
) -> tuple[Receptors, int]:
    """Write a receptor file's barcodes as the sample does, and count those that the sample does not have.

    Where not one is known, the `-1` that Cell Ranger puts behind barcodes is left out of account.

    Parameters
    ----------
    receptors
        Of the file.
    barcodes
        Of the sample's cells.
    where
        The file, for messages.
    min_known
        Smallest share of the file's cells that the sample must have.

    Returns
    -------
    The receptors under the sample's barcodes, and the number of cells that the sample does not have.

    Raises
    ------
    InputError
        Fewer are known: the file is most likely that of another sample.
    """
    theirs = receptors.barcodes
    known = theirs.isin(barcodes)
    if not known.any():  # a deposit may have lost what Cell Ranger puts behind barcodes, on either side
        renamed = theirs.map(lambda name: name.removesuffix(GEM_WELL))
        ours = {name.removesuffix(GEM_WELL): name for name in barcodes}
        if len(ours) == len(barcodes) and len(set(renamed)) == len(theirs):
            mended = {old: ours.get(bare, old) for old, bare in zip(theirs, renamed, strict=True)}
            receptors = receptors.renamed(mended)
            known = receptors.barcodes.isin(barcodes)
    if known.mean() < min_known or not len(theirs):
        unknown = ", ".join(map(str, theirs[~known][:MAX_NAMED]))
        what = (
            f"{int((~known).sum())} of the {len(theirs)} cells with a receptor are not cells of the sample,"
            f" such as {unknown}; the sample has cells such as {', '.join(barcodes[:2])}"
        )
        fix = "give the file of this sample in the column `receptors`, or lower clones.min_known_barcodes"
        raise InputError(what, where, fix)
    return receptors, int((~known).sum())


def _with_sequences(receptors: Receptors, match: str, where: object) -> pd.DataFrame:
    """Give the chains; not one may be without the sequence that clones are made by."""
    chains = pd.DataFrame(receptors.chains)
    column = "cdr3_nt" if match == "nucleotide" else "cdr3_aa"
    lacking = int((chains[column] == "").sum())
    if len(chains) and lacking == len(chains):
        other = "amino_acid" if match == "nucleotide" else "nucleotide"
        what = f"no chain has a {match.replace('_', ' ')} sequence of its CDR3"
        raise InputError(what, where, f"set clones.match to {other}")
    if lacking:
        LOG.warning("%d of %d chains have no %s and are not used", lacking, len(chains), column)
    return chains
