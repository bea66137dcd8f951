"""Matrix Market folders as CellRanger and GEO have them."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs.contents import GZIP, Contents
from stietime.inputs.features import GENE_EXPRESSION, gene_frame, genes_only

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.inputs.contents import Rows

FORMAT = "10x_mtx"
MATRIX = re.compile(r"(?P<prefix>.*?)(matrix|counts)?\.mtx(\.gz)?")
FEATURES = re.compile(r"(?P<prefix>.*?)(features|genes)\.tsv(\.gz)?")
BARCODES = re.compile(r"(?P<prefix>.*?)barcodes\.tsv(\.gz)?")
N_GLANCED = 20_000
BANNER = re.compile(r"%%MatrixMarket matrix coordinate (integer|real) general", re.IGNORECASE)


@dataclass(frozen=True)
class _Parts:
    """The three files of a matrix and the size its header gives."""

    matrix: Path
    features: Path
    barcodes: Path


def open_tenx_mtx(path: Path) -> Contents:
    """Open a matrix with its features and barcodes, prefixed or not, compressed or not.

    Parameters
    ----------
    path
        The folder, or the `.mtx` file of one sample when the folder holds several.

    Raises
    ------
    InputError
        A file is missing or not what its name says, or their sizes do not agree.
    """
    parts = _find_parts(path)
    var, barcodes = _read_features(parts.features), _read_lines(parts.barcodes)
    transposed = _is_transposed(parts, len(var), len(barcodes))
    chosen = genes_only(var, parts.features)
    names = pd.Index([line.split("\t")[0] for line in barcodes], dtype=object)
    return Contents(
        path=parts.matrix,
        obs=pd.DataFrame(index=names),
        var=var.iloc[chosen],
        counts=partial(_read_counts, parts.matrix, chosen, transposed=transposed),
        glance=partial(_glance, parts.matrix),
        facts={"counts_from": parts.matrix.name, "n_features_other": len(var) - len(chosen)},
    )


def _find_parts(path: Path) -> _Parts:
    matrix = path if path.is_file() else _only_matrix(path)
    matched = MATRIX.fullmatch(matrix.name)
    if not matched:
        what, fix = f"{path.name} is not a .mtx file", "give the folder of the matrix, or its .mtx file"
        raise InputError(what, path, fix)
    prefix = matched["prefix"]
    features = _companion(matrix.parent, FEATURES, prefix, "features.tsv")
    return _Parts(matrix, features, _companion(matrix.parent, BARCODES, prefix, "barcodes.tsv"))


def _only_matrix(folder: Path) -> Path:
    if not folder.is_dir():
        what = "the folder does not exist"
        raise InputError(what, folder, "mend the path in the sample sheet")
    found = sorted(path for path in folder.iterdir() if MATRIX.fullmatch(path.name))
    if len(found) == 1:
        return found[0]
    if found:
        what = f"the folder holds {len(found)} matrices: {', '.join(path.name for path in found[:5])}"
        raise InputError(what, folder, "give the path of one .mtx file in each row of the sample sheet")
    present = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    what = f"the folder holds no .mtx or .mtx.gz file; it holds {present}"
    fix = "give the folder that holds matrix.mtx.gz, features.tsv.gz and barcodes.tsv.gz"
    raise InputError(what, folder, fix)


def _companion(folder: Path, pattern: re.Pattern[str], prefix: str, name: str) -> Path:
    """Find the file that goes with a matrix: of the same prefix, or features that all samples share."""
    matches = [(pattern.fullmatch(path.name), path) for path in sorted(folder.iterdir())]
    found = [(match["prefix"].rstrip("_.-"), path) for match, path in matches if match]
    same = [path for other, path in found if other == prefix.rstrip("_.-")]
    shared = [path for other, path in found if not other or pattern is FEATURES]
    if same or len(shared) == 1:
        return [*same, *shared][0]
    others = ", ".join(path.name for _, path in found[:5]) or "none"
    what = f"there is no {name} that goes with {prefix or 'the matrix'}; found {others}"
    raise InputError(what, folder, f"put {prefix}{name} or {prefix}{name}.gz beside the matrix")


def _open_text(path: Path) -> IO[str]:
    """Open a text file, compressed or not whatever its name says."""
    with path.open("rb") as handle:
        compressed = handle.read(2) == GZIP
    if compressed:
        return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8"))
    return path.open(encoding="utf-8")


def _read_lines(path: Path) -> list[str]:
    try:
        with _open_text(path) as handle:
            return handle.read().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        what = f"the file cannot be read as text: {error}"
        raise InputError(what, path, "download it again") from None


def _read_features(path: Path) -> pd.DataFrame:
    """Read ids, names and types; a single column is both id and name."""
    rows = [line.split("\t") for line in _read_lines(path)]
    ids = np.array([row[0] for row in rows], dtype=object)
    symbols = np.array([row[1] if len(row) > 1 else row[0] for row in rows], dtype=object)
    types = np.array([row[2] if len(row) > 2 else GENE_EXPRESSION for row in rows], dtype=object)
    return gene_frame(ids, symbols, types)


def _shape(path: Path) -> tuple[int, int]:
    """Read the shape from the head of a matrix."""
    try:
        with _open_text(path) as handle:
            banner = handle.readline()
            size = next((line for line in handle if not line.startswith("%")), "").split()
    except (OSError, EOFError, UnicodeDecodeError):
        banner, size = "", []
    if not BANNER.match(banner) or len(size) != 3 or not all(number.isdigit() for number in size):
        what = f"the file is no sparse Matrix Market file; it begins with {banner[:40]!r}"
        raise InputError(what, path, "mend the path, or download the file again")
    return int(size[0]), int(size[1])


def _is_transposed(parts: _Parts, n_features: int, n_barcodes: int) -> bool:
    """Tell genes x cells, as CellRanger writes, from cells x genes, as kb-python writes."""
    shape = _shape(parts.matrix)
    if shape == (n_features, n_barcodes):
        return False
    if shape == (n_barcodes, n_features):
        return True
    what = (
        f"the matrix is {shape[0]} x {shape[1]}, but {parts.features.name} has {n_features} lines"
        f" and {parts.barcodes.name} has {n_barcodes}"
    )
    fix = "put the three files of one sample together"
    if n_features - 1 in shape or n_barcodes - 1 in shape:
        fix = "remove the header line of the longer file"
    raise InputError(what, parts.matrix, fix)


def _read_counts(path: Path, genes: NDArray[np.intp], rows: Rows, *, transposed: bool) -> sparse.csr_matrix:
    from scipy.io import mmread

    try:
        with _open_bytes(path) as handle:
            matrix = mmread(handle)
    except (ValueError, OSError, EOFError) as error:
        what = f"the matrix cannot be read: {error}"
        raise InputError(what, path, "download the file again; it is damaged") from None
    cells = sparse.csr_matrix(matrix if transposed else matrix.T)
    return cells[rows][:, genes]


def _open_bytes(path: Path) -> IO[bytes]:
    with path.open("rb") as handle:
        compressed = handle.read(2) == GZIP
    return cast("IO[bytes]", gzip.open(path, "rb")) if compressed else path.open("rb")


def _glance(path: Path) -> NDArray[Any]:
    """Read the values of the first lines."""
    with _open_text(path) as handle:
        body = (line for line in handle if not line.startswith("%"))
        lines = list(islice(body, 1, N_GLANCED + 1))
    values = np.array([float(line.split()[2]) for line in lines if line.strip()])
    return np.compress(values != 0, values)
