"""A benchmark of parts: their order, which share the cores, and what a run of chosen parts leaves alone."""

from __future__ import annotations

import os

import pandas as pd
import pytest
from benchmarks import parts
from benchmarks.record import Figure


def slow(*, quick):
    return [Figure("slow", f"quick {quick}", float(os.getpid()))]


def first(*, quick):
    return [Figure("first", f"quick {quick}", float(os.getpid()))]


def second(*, quick):
    return [Figure("second", f"quick {quick}", float(os.getpid())), Figure("second", "another", 1.0)]


@pytest.fixture
def benchmark_of_parts():
    every = {"first": first, "slow": slow, "second": second}
    return parts.Benchmark("tried", every, ("numpy",), {}, frozenset({"first", "second"}))


def test_figures_stand_in_the_order_of_the_parts_and_timed_parts_run_in_this_process(benchmark_of_parts):
    found = benchmark_of_parts.measure(["second", "slow", "first"], quick=True)
    assert [figure.case for figure in found] == ["first", "slow", "second", "second"]
    assert found[1].ours == os.getpid()
    assert all("quick True" in figure.metric for figure in found[:3])


def test_chosen_parts_are_written_beside_the_committed_results(benchmark_of_parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmark", "--only", "slow"])
    benchmark_of_parts.run("A benchmark of parts.")
    written = pd.read_csv(tmp_path / "results" / "benchmarks" / "tried-slow.tsv", sep="\t")
    assert written["case"].tolist() == ["slow"]
    assert (tmp_path / "results" / "benchmarks" / "tried-slow.json").is_file()


def test_a_part_that_is_not_there_is_an_error_of_the_command_line(benchmark_of_parts, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "--only", "fourth"])
    with pytest.raises(SystemExit, match="2"):
        benchmark_of_parts.run("A benchmark of parts.")
