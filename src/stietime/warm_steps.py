"""Steps that start warm: a process that has imported the libraries is forked for every step of a run.

Importing numpy, pandas, scikit-learn and the like takes a step longer than a small sample does. `stietime
run` starts one process that imports them once. Each `stietime step` that the rules call then passes its
words, folder, environment and standard streams to it over a socket, and waits for the copy that does the
work. Where there is no such process (by hand, on a cluster, on other systems than Linux) a step runs by
itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stietime.cli import WARM_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ADDRESS: Final = WARM_STEPS  # `off` starts every step by itself
OFF: Final = "off"
LIBRARIES: Final = (
    *("anndata", "h5py", "jinja2", "matplotlib.figure", "pyarrow.parquet", "scipy.stats", "threadpoolctl"),
    *("sklearn.cluster", "sklearn.decomposition", "sklearn.ensemble", "sklearn.metrics"),
)
_LENGTH: Final = 8  # bytes that tell how long a message is
_N_STREAMS: Final = 3


@contextlib.contextmanager
def warm_steps(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start the process, and give the environment in which steps find it; it ends with the block.

    Parameters
    ----------
    environment
        Of the run. With `STIETIME_WARM_STEPS=off`, and on other systems than Linux, it stays as it is.
    """
    if sys.platform != "linux" or environment.get(ADDRESS) == OFF:
        yield environment
        return
    with tempfile.TemporaryDirectory(prefix="stietime-") as folder:
        address = str(Path(folder) / "steps")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen(128)
        command = [sys.executable, "-m", "stietime.warm_steps", str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], env=environment)
        listener.close()
        try:
            yield {**environment, ADDRESS: address}
        finally:
            server.terminate()
            server.wait()


def run_warm(argv: Sequence[str]) -> int | None:
    """Have a step done by a copy of the process that `ADDRESS` names.

    Parameters
    ----------
    argv
        The words after `stietime`.

    Returns
    -------
    The exit code of the step; None where there is no such process, so that the step is to be run here.
    """
    address = os.environ.get(ADDRESS, OFF)
    if address == OFF or not Path(address).exists():
        return None
    request = json.dumps(
        {"argv": list(argv), "folder": str(Path.cwd()), "environment": dict(os.environ)}
    ).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:
            return None
        socket.send_fds(connection, [len(request).to_bytes(_LENGTH)], [0, 1, 2])
        connection.sendall(request)
        answer = connection.recv(_LENGTH)  # the copy is ended when this process ends and the line breaks
    return int.from_bytes(answer, signed=True) if answer else 1


def serve(listener: socket.socket, work: Callable[[list[str]], int]) -> None:
    """Fork a copy for every request, until this process is terminated.

    Parameters
    ----------
    listener
        A listening socket.
    work
        What a copy does with the words of its request; gives the exit code.
    """
    lines: dict[int, socket.socket] = {}  # to the process that waits for a copy, by the id of the copy
    wake, alarm = socket.socketpair()
    alarm.settimeout(0)
    signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run ends this process when it has ended its jobs
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is listener:
                        line = listener.accept()[0]
                        pid = _start(line, work, (listener, wake, alarm, *lines.values()))
                        if pid:
                            lines[pid] = line
                            selector.register(line, selectors.EVENT_READ, pid)
                    elif key.fileobj is wake:
                        wake.recv(4096)
                    elif key.data in lines:  # nobody waits any more
                        os.kill(key.data, signal.SIGTERM)
                        selector.unregister(key.fileobj)
                _answer(lines, selector)
        finally:
            for pid in lines:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def _answer(lines: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    """Tell those who wait for copies that have ended."""
    while lines:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        line = lines.pop(pid)
        with contextlib.suppress(KeyError):
            selector.unregister(line)
        with contextlib.suppress(OSError):
            line.sendall(os.waitstatus_to_exitcode(status).to_bytes(_LENGTH, signed=True))
        line.close()


def _start(line: socket.socket, work: Callable[[list[str]], int], others: Sequence[socket.socket]) -> int:
    """Read a request, fork a copy that does it and give its id; 0 when who asked is gone."""
    head, streams, _, _ = socket.recv_fds(line, _LENGTH, _N_STREAMS)
    body = bytearray()
    while head and len(body) < int.from_bytes(head):
        part = line.recv(int.from_bytes(head) - len(body))
        if not part:
            break
        body += part
    if not head or len(streams) < _N_STREAMS or len(body) < int.from_bytes(head):
        for stream in streams:
            os.close(stream)
        line.close()
        return 0
    pid = os.fork()
    if not pid:
        signal.set_wakeup_fd(-1)
        for held in (line, *others):  # those who wait for others are told when this process's parent ends
            held.close()
        _work(json.loads(bytes(body)), streams, work)
    for stream in streams:
        os.close(stream)
    return pid


def _work(request: dict[str, Any], streams: list[int], work: Callable[[list[str]], int]) -> None:
    """Be the copy: take over the streams, folder and environment of who asked, work, and end."""
    code = 1
    try:
        for place, stream in enumerate(streams):
            os.dup2(stream, place)
            os.close(stream)
        for kind in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, signal.SIG_DFL)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["stietime", *request["argv"]]
        code = work(request["argv"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for written in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                written.flush()
        os._exit(code & 255)


def _name_process(step: str) -> None:
    """Show the step as the name of the process, in `top` and the like."""
    import ctypes

    ctypes.CDLL(None).prctl(15, step.encode()[:15], 0, 0, 0)  # PR_SET_NAME


def _use_threads(n_threads: int) -> None:
    """Let the libraries use the threads that a step is given (numba is given blocks by threads of ours)."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=n_threads)


def _main() -> None:
    """Import what steps need, and serve the socket that was handed over."""
    from stietime.cli import prepare_environment, run_here, threads_of
    from stietime.steps import STEPS, module_name

    prepare_environment([])

    def _run(argv: list[str]) -> int:
        _name_process(argv[1])
        _use_threads(threads_of(argv))
        return run_here(argv)

    for name in (*LIBRARIES, *(module_name(step) for step in STEPS)):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that collecting garbage in the copies does not touch, and copy, what is shared
    serve(socket.socket(fileno=int(sys.argv[1])), _run)


if __name__ == "__main__":
    _main()
