"""Counts read block by block, and one function over all blocks, on this machine or on a Dask cluster."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np

from stietime import names, storage
from stietime.chunks import read_vector
from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import h5py
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

THREADS, SYNCHRONOUS = "threads", "synchronous"
BYTES_PER_ENTRY: Final = 32  # a stored count with its column, and what a computation copies of it
ROUNDS_AHEAD: Final = 2  # blocks per worker that are computed before their results are taken


@dataclass(frozen=True)
class Block:
    """Some rows of a file of counts.

    Parameters
    ----------
    path
        A `counts.h5ad`.
    start, stop
        First row, and the one after the last.
    keep
        Which of these rows are wanted.
    folder
        What the path starts from: workers of a cluster run in folders of their own.
    """

    path: Path
    start: int
    stop: int
    keep: NDArray[np.bool_]
    folder: Path = field(default_factory=Path.cwd)

    @property
    def n_cells(self) -> int:
        """Number of wanted cells."""
        return int(self.keep.sum())


def plan_blocks(pairs: Sequence[tuple[Path, Path]], *, max_gib: float) -> list[Block]:
    """Cut the counts of all samples into blocks that a worker can hold.

    Parameters
    ----------
    pairs
        `counts.h5ad` of each sample and its table of quality.
    max_gib
        Memory of a block with what is computed from it. A single cell is never cut.

    Returns
    -------
    Blocks in the order of samples and cells; those without a kept cell are left out.

    Raises
    ------
    InputError
        A file is missing, is no matrix of counts by cell, or the quality is of other cells.
    """
    found = []
    for counts, quality in pairs:
        keep = storage.read_table(quality, [names.CELL, names.KEEP])[names.KEEP].to_numpy(dtype=bool)
        pointers = _row_pointers(counts)
        if len(keep) != len(pointers) - 1:
            what = f"{len(keep)} cells have a quality, the counts hold {len(pointers) - 1}"
            raise InputError(
                what, quality, "delete the file and run again, so that it is made from the counts"
            )
        found += _blocks_of(counts, pointers, keep, max_gib)
    return found


def cut_blocks(path: Path, keep: NDArray[np.bool_], *, max_gib: float) -> list[Block]:
    """Cut the wanted cells of one file into blocks that a worker can hold.

    Parameters
    ----------
    path
        A matrix by cell, such as `counts.h5ad`.
    keep
        Which of its cells are wanted.
    max_gib
        As in `plan_blocks`.

    Returns
    -------
    Blocks in the order of the cells; those without a wanted cell are left out.

    Raises
    ------
    InputError
        The file is missing or is no matrix by cell.
    """
    return _blocks_of(path, _row_pointers(path), keep, max_gib)


def _blocks_of(
    path: Path, pointers: NDArray[np.int64], keep: NDArray[np.bool_], max_gib: float
) -> list[Block]:
    cuts = _cut(pointers, int(max_gib * 2**30 / BYTES_PER_ENTRY))
    return [Block(path, start, stop, keep[start:stop]) for start, stop in cuts if keep[start:stop].any()]


def _row_pointers(path: Path) -> NDArray[np.int64]:
    import h5py

    if not path.is_file():
        msg = "the counts do not exist"
        raise InputError(msg, path, "run the step `ingest`")
    with h5py.File(path) as handle:
        return np.asarray(_by_cell(handle, path)["indptr"][:], dtype=np.int64)


def count_entries(path: Path) -> int:
    """Count the stored entries of a matrix by cell, of all cells; see `cut_blocks` for errors."""
    return int(_row_pointers(path)[-1])


def _by_cell(handle: h5py.File, path: Path) -> h5py.Group:
    """Give the matrix of a file, stored sparse and by cell as `ingest` writes it."""
    matrix = handle["X"]
    if matrix.attrs.get("encoding-type") != "csr_matrix":
        what = f"X is stored as {matrix.attrs.get('encoding-type', 'nothing known')}, not as csr_matrix"
        raise InputError(what, path, "run the step `ingest`, which writes counts by cell")
    return cast("h5py.Group", matrix)


def _cut(pointers: NDArray[np.int64], max_entries: int) -> Iterator[tuple[int, int]]:
    """Cut rows where their stored entries, and the rows themselves, reach the largest number."""
    start, n_rows = 0, len(pointers) - 1
    load = pointers + np.arange(len(pointers))
    while start < n_rows:
        stop = int(np.searchsorted(load, load[start] + max(max_entries, 1), side="right")) - 1
        stop = min(max(stop, start + 1), n_rows)
        yield start, stop
        start = stop


def read_block(block: Block) -> csr_matrix:
    """Read the counts of the wanted cells of a block, cells x genes (int32)."""
    import h5py
    from scipy import sparse

    with h5py.File(block.folder / block.path) as handle:
        matrix = _by_cell(handle, block.path)
        pointers = matrix["indptr"][block.start : block.stop + 1]
        first, last = int(pointers[0]), int(pointers[-1])
        data, columns = (read_vector(matrix[part], first, last) for part in ("data", "indices"))
        shape = (block.stop - block.start, int(matrix.attrs["shape"][1]))
    rows = sparse.csr_matrix((data, columns, pointers - first), shape=shape)
    return rows if block.keep.all() else rows[block.keep]


def read_counts(path: Path) -> csr_matrix:
    """Read the counts of all cells of a file, cells x genes; see `cut_blocks` for errors."""
    n_cells = len(_row_pointers(path)) - 1
    return read_block(Block(path, 0, n_cells, np.ones(n_cells, dtype=bool)))


def read_genes(block: Block, columns: NDArray[np.intp]) -> tuple[csr_matrix, NDArray[np.float64]]:
    """Read some genes of the wanted cells of a block.

    Parameters
    ----------
    block
        The block.
    columns
        Places of the genes in the file, each at most once.

    Returns
    -------
    Counts of these genes (cells x genes, int32), and the counts of each cell over all genes of the file.
    """
    counts = read_block(block)
    cell_totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    whole = np.array_equal(columns, np.arange(counts.shape[1]))
    return counts if whole else counts[:, columns], cell_totals


def map_blocks[Item, Result](
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    scheduler: str = THREADS,
    n_workers: int = 1,
) -> Iterator[Result]:
    """Apply a function to every item, here or on a Dask cluster; the results come in the order of the items.

    Only a few results are there at a time, so that they can be summed up without holding them all. What is
    summed in this order does not depend on the number of workers.

    Parameters
    ----------
    function
        A function of a module (Dask sends it to other processes by its name), or a `partial` of one.
    items
        What it is applied to, such as blocks.
    scheduler
        `threads`, `synchronous`, or the address of a `dask.distributed` scheduler, whose workers must see
        the same files.
    n_workers
        Number of threads; a cluster has its own.

    Raises
    ------
    InputError
        There is no scheduler at the address.
    """
    if scheduler in (THREADS, SYNCHRONOUS):
        if n_workers == 1 or scheduler == SYNCHRONOUS:
            yield from map(function, items)
            return
        yield from _on_threads(function, items, n_workers)
        return
    yield from _on_cluster(function, items, scheduler)


def _on_threads[Item, Result](
    function: Callable[[Item], Result], items: Sequence[Item], n_workers: int
) -> Iterator[Result]:
    """Compute on threads; a thread that is done takes the next item, and few results wait to be taken."""
    from threadpoolctl import threadpool_limits

    def _compute(item: Item) -> Result:
        # products of matrices, on as many threads again, would wait for each other
        with threadpool_limits(limits=1):
            return function(item)

    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n_workers) as pool:
        for item in items:
            waiting.append(pool.submit(_compute, item))
            if len(waiting) == ROUNDS_AHEAD * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _on_cluster[Item, Result](
    function: Callable[[Item], Result], items: Sequence[Item], address: str
) -> Iterator[Result]:
    from distributed import Client

    try:
        client = Client(address, timeout=20, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        what = f"no Dask scheduler answers at {address}: {error}"
        fix = "start one (`dask scheduler`), mend the address, or set compute.dask_scheduler to threads"
        raise InputError(what, "compute.dask_scheduler", fix) from None
    with client:
        n_workers = max(len(client.scheduler_info()["workers"]), 1)
        for some in batched(items, ROUNDS_AHEAD * n_workers):
            futures = client.map(function, some, pure=False)
            yield from client.gather(futures)  # type: ignore[no-untyped-call]


class Blocks(NamedTuple):
    """The blocks of all samples, and where functions of them are computed.

    Parameters
    ----------
    blocks
        Blocks in the order of samples and cells.
    scheduler, n_workers
        As `map_blocks` takes them.
    """

    blocks: list[Block]
    scheduler: str
    n_workers: int

    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """Apply a function to blocks, or to blocks with what belongs to them; see `map_blocks`."""
        return map_blocks(function, items, scheduler=self.scheduler, n_workers=self.n_workers)

    def split(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Cut values of all wanted cells, which are the last axis, as the blocks are cut."""
        ends = np.cumsum([block.n_cells for block in self.blocks])
        return np.split(values, ends[:-1], axis=-1)
