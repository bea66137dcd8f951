"""Steps done by copies of a process that is warm: streams, folders, exit codes, and what ends with what."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stietime.warm_steps import ADDRESS, OFF, run_warm, warm_steps

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="steps start warm on Linux only")

# what a copy does with its words, instead of a step
WORK = """
import os, socket, sys, time
from pathlib import Path
from stietime.warm_steps import serve
def work(argv):
    if argv[0] == "tell":
        print(os.getcwd(), os.environ["TOLD"], sys.stdin.read(), sys.argv)
        print("aside", file=sys.stderr)
    if argv[0] == "exit":
        sys.exit(int(argv[1]))
    if argv[0] == "fail":
        raise RuntimeError("told to")
    if argv[0] == "wait":
        Path(argv[1]).write_text(str(os.getpid()))
        time.sleep(60)
    return 0
serve(socket.socket(fileno=int(sys.argv[1])), work)
"""
ASK = "import sys; from stietime.warm_steps import run_warm; sys.exit(run_warm(sys.argv[1:]))"


@pytest.fixture
def environment(tmp_path):
    """The environment of a run whose steps are done by `WORK`."""
    address = str(tmp_path / "steps")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    server = subprocess.Popen(
        [sys.executable, "-c", WORK, str(listener.fileno())], pass_fds=[listener.fileno()]
    )
    listener.close()
    yield {**os.environ, ADDRESS: address, "TOLD": "so"}
    server.terminate()
    assert server.wait(10) == 0


def ask(environment, *words, **options):
    command = [sys.executable, "-c", ASK, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_copy_has_the_streams_folder_environment_and_words_of_who_asked(environment, tmp_path):
    done = ask(environment, "tell", "more", cwd=tmp_path, input="given")
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path} so given ['stietime', 'tell', 'more']\n"
    assert done.stderr == "aside\n"


def test_exit_codes_and_errors_are_those_of_a_process_of_its_own(environment):
    assert ask(environment, "exit", "2").returncode == 2
    failed = ask(environment, "fail")
    assert failed.returncode == 1
    assert failed.stderr.startswith("Traceback")
    assert failed.stderr.endswith("RuntimeError: told to\n")
    assert ask(environment, "exit", "0").returncode == 0


def test_a_copy_ends_with_who_asked_and_the_server_goes_on(environment, tmp_path):
    note = tmp_path / "pid"
    asking = subprocess.Popen([sys.executable, "-c", ASK, "wait", str(note)], env=environment)
    wait_for(lambda: note.is_file() and note.read_text())
    pid = int(note.read_text())
    assert is_running(pid)
    asking.kill()
    asking.wait()
    wait_for(lambda: not is_running(pid))
    assert ask(environment, "exit", "3").returncode == 3


def test_a_copy_that_is_killed_is_told_as_a_failure(environment, tmp_path):
    note = tmp_path / "pid"
    asking = subprocess.Popen([sys.executable, "-c", ASK, "wait", str(note)], env=environment)
    wait_for(lambda: note.is_file() and note.read_text())
    os.kill(int(note.read_text()), signal.SIGKILL)
    assert asking.wait(20) != 0


def test_many_copies_work_at_once(environment, tmp_path):
    notes = [tmp_path / f"pid{place}" for place in range(5)]
    asking = [
        subprocess.Popen([sys.executable, "-c", ASK, "wait", str(note)], env=environment) for note in notes
    ]
    wait_for(lambda: all(note.is_file() and note.read_text() for note in notes))
    assert len({note.read_text() for note in notes}) == 5
    for process in asking:
        process.kill()
        process.wait()


def test_without_a_process_steps_run_by_themselves(monkeypatch, tmp_path):
    for address in (OFF, str(tmp_path / "nowhere")):
        monkeypatch.setenv(ADDRESS, address)
        assert run_warm(["step", "ingest"]) is None
    left = tmp_path / "left"
    socket.socket(socket.AF_UNIX).bind(str(left))
    monkeypatch.setenv(ADDRESS, str(left))
    assert run_warm(["step", "ingest"]) is None
    with warm_steps({ADDRESS: OFF, "A": "b"}) as found:
        assert found == {ADDRESS: OFF, "A": "b"}


def test_a_real_step_says_what_it_says_by_itself(tmp_path):
    words = [str(Path(sys.executable).parent / "stietime"), "step", "weigh-claims", "--contrasts", "none.tsv"]
    words += ["--composition", "none.tsv", "--cells", "none.parquet", "--output", "claims.tsv"]
    cold = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert cold.returncode == 2
    with warm_steps(dict(os.environ)) as environment:
        address = Path(environment[ADDRESS])
        assert address.is_socket()
        warm = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    assert not address.exists()
    assert (warm.returncode, warm.stderr) == (cold.returncode, cold.stderr)
    assert "none.tsv" in warm.stderr
