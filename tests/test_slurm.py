"""The Slurm profile, on a real Slurm of one node that this test starts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from tests.tiny_cohort import stietime, write_tiny_cohort

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "setpriv")
SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
PREFIX = "stietime-slurm-"
SECONDS_TO_START = 60
CONFIG = """\
ClusterName=stietime
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
MpiDefault=none
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _obstacle() -> str:
    """Say why Slurm cannot be started here; empty when it can."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    missing = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    if missing:
        return f"Slurm is not installed (missing {', '.join(missing)}): apt-get install slurm-wlm munge"
    _clear_leftover()
    if SYSTEM_CONFIG.exists():
        return f"there is a Slurm on this machine already ({SYSTEM_CONFIG}), which this test leaves alone"
    if os.getuid() != 0:
        return f"writing {SYSTEM_CONFIG} needs root"
    return ""


def _clear_leftover() -> None:
    """Take away the configuration of a run of this test that was killed, once its programs have ended."""
    target = SYSTEM_CONFIG.resolve()
    if not SYSTEM_CONFIG.is_symlink() or not target.parent.name.startswith(PREFIX):
        return
    for file in target.parent.glob("*.pid"):
        command = Path(f"/proc/{file.read_text().strip()}/comm")
        if command.exists() and command.read_text().strip() == file.stem:
            return
    SYSTEM_CONFIG.unlink()
    shutil.rmtree(target.parent, ignore_errors=True)


def _start(folder: Path, environment: dict[str, str]) -> list[subprocess.Popen]:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    files = {
        "socket": "munge.socket",
        "pid-file": "munged.pid",
        "seed-file": "munge.seed",
        "log-file": "munge.log",
    }
    munged = ["munged", "--foreground", "--force", f"--key-file={key}"]
    munged += [f"--{option}={folder / name}" for option, name in files.items()]
    config = str(folder / "slurm.conf")
    commands = [munged, ["slurmctld", "-D", "-f", config], ["slurmd", "-D", "-f", config]]
    started = []
    for command in commands:
        # they end with this test, even when it is killed
        bound = ["setpriv", "--pdeathsig", "TERM", *command]
        started.append(
            subprocess.Popen(bound, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        time.sleep(1)
    return started


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    for _ in range(SECONDS_TO_START):
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() == "idle":
            return
        time.sleep(1)
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    pytest.fail(f"Slurm did not start in {SECONDS_TO_START} s:\n{logs}")


@pytest.fixture(scope="module")
def slurm():
    """Start munge, the controller and one node as this user; yield the environment that reaches them."""
    if obstacle := _obstacle():
        if os.environ.get("STIETIME_REQUIRE_SLURM") == "1":
            pytest.fail(obstacle)
        pytest.skip(obstacle)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    facts = {
        "folder": folder,
        "host": socket.gethostname().partition(".")[0],
        "user": user,
        "cpus": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 100,
        "controller_port": _free_port(),
        "node_port": _free_port(),
    }
    (folder / "slurm.conf").write_text(CONFIG.format(**facts))
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    environment = {**os.environ, "PATH": path}
    # Snakemake's plugin clears SLURM_CONF in jobs, so the configuration has to be where Slurm looks for it
    SYSTEM_CONFIG.unlink(missing_ok=True)
    SYSTEM_CONFIG.parent.mkdir(exist_ok=True)
    SYSTEM_CONFIG.symlink_to(folder / "slurm.conf")
    started = _start(folder, environment)
    try:
        _wait_until_idle(environment, folder)
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=20)
        SYSTEM_CONFIG.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def _keep_baseline(folder: Path, config: Path) -> None:
    """Leave the samples after treatment out: every job waits its turn in the queue for some seconds."""
    sheet = folder / "simulated" / "samples.tsv"
    rows = sheet.read_text().splitlines(keepends=True)
    sheet.write_text("".join(row for row in rows if "_after\t" not in row))
    settings = yaml.safe_load(config.read_text())
    del settings["simulation"]  # its files are there; the truth is of all samples
    config.write_text(yaml.safe_dump(settings))


@pytest.mark.slurm
@pytest.mark.slow
def test_a_tiny_cohort_runs_through_the_profile(slurm, tmp_path):
    config = write_tiny_cohort(tmp_path, n_patients=2, n_cells=60, n_sections=1)
    _keep_baseline(tmp_path, config)
    # the node is small, so the profile's threads are capped; there is no accounting to ask for states
    options = (
        "--max-threads",
        "1",
        "--slurm-status-command",
        "squeue",
        "--slurm-init-seconds-before-status-checks",
        "2",
    )
    words = ("run", "--configfile", str(config), "--cluster", "slurm", "--verbose", "--", *options)
    done = stietime(*words, cwd=tmp_path, env=slurm)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert "SLURM jobid" in done.stdout + done.stderr
    assert (tmp_path / "results" / "reports" / "index.html").is_file()
    assert (tmp_path / "results" / "cohort" / "claims.tsv").is_file()
