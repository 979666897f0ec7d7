"""The benchmark's commands, its JSON, its exit codes; and that every contender of ours agrees on every workload."""

import json
import subprocess
import sys
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import __main__ as cli
from bench import documents, floors, gpu_check, machine, memory, programs, summary, sweep, timing
from bench.library import LIBRARIES, OURS, Contender, contenders, installed, reference
from bench.models import MODELS
from bench.numpy_library import NumPyLibrary
from bench.processes import ContenderError, Servers
from bench.timing import Race, Settings
from bench.trees import gather, named
from bench.worker import Job
from bench.workloads import WORKLOADS, select

SMALL = ["--size", "small", "--repeat", "1"]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of several libraries and tests on the same cores slow each other down by far more than they gain."""
    with threadpool_limits(1), pytest.MonkeyPatch.context() as patch:
        for name in machine.THREADS[:3]:
            patch.setenv(name, "1")
        yield


class WrongLibrary(NumPyLibrary):
    """A contender that says every distance is 1."""

    def build(self, workload: Any, variant: str, args: Any) -> Any:
        if variant == "loop":
            raise RuntimeError("this one has no loop")
        return lambda: np.ones((len(args[0]), len(args[1])), np.float32)


LIBRARY = WrongLibrary()


def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of a run and the rows it wrote."""
    path = Path(arguments[-1])
    code = cli.main(["run", *arguments[:-1], "--json", str(path)])
    return code, documents.load(path)["rows"]


def test_list_shows_every_workload_and_library(capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*WORKLOADS, *LIBRARIES))


def test_the_named_workloads_are_there():
    named = [
        "mlp_ensemble",
        "cnn_ensemble",
        "lenet_ensemble",
        "mlp_ensemble_shared",
        "cnn_ensemble_shared",
        "lenet_ensemble_shared",
        "mlp_persample",
        "cnn_persample",
        "lenet_train",
        "cnn_train",
        "overhead",
        "dispatch",
        "ode_sweep",
        "pairwise",
        "programs",
    ]
    assert select(named) == list(WORKLOADS.values()) == select([]) == select(["all"])
    assert [w.name for w in select(["cnn_train"])] == ["cnn_train", "cnn_train:gradients"]


def test_the_parameters_are_those_of_the_tutorials():
    counts = {name: (len(m.shapes), sum(prod(shape) for shape in m.shapes.values())) for name, m in MODELS.items()}
    assert counts == {"mlp": (6, 118282), "cnn": (8, 1199882), "lenet": (8, 61684)}


SEEDS = "mlp_ensemble", "cnn_ensemble", "lenet_ensemble", "mlp_persample", "lenet_train:gradients"
"""Of each kind the workload that takes least."""


@pytest.mark.numpy_plans
@pytest.mark.parametrize(
    "workload",
    [
        pytest.param(w, id=w.name, marks=pytest.mark.tiny if w.name in SEEDS else pytest.mark.tiny_deep)
        for w in WORKLOADS.values()
        if w.task not in ("import", "program")
    ],
)
def test_our_contenders_agree(workload, tmp_path):
    path = str(tmp_path / "reference.npz")
    others = [c for c in contenders(workload, OURS) if c.library != "vmapcore-numpy"]  # in one process the same again
    jobs = {c: Job(c.library, c.variant, workload.name, "small", "cpu", "float32") for c in others}
    jobs[reference(workload)].save(path)
    for contender, job in jobs.items():
        prepared = job.prepare()
        assert prepared["first"] > 0 and (prepared["second"] is not None) == contender.compiled
        for _ in range(2):  # what a first call returned, or what comes of a second; then of one more
            found = job.compare(path, workload.atol, workload.rtol)
            assert found["agrees"], (contender, found)
        assert found["error"] is not None and len(job.time(0.0)["times"]) == 1


@pytest.mark.numpy_plans
def test_contenders_of_programs_agree(tmp_path):
    names = [f"programs:{name}" for name in ("kepler_orbit", "ray_transfer", "lif_neuron")]
    code, rows = run(*names, *SMALL, str(tmp_path / "p.json"))
    assert code == 0 and all(row["agree"] for row in rows)
    assert [c["name"] for c in rows[0]["contenders"]] == [
        "vmapcore loop",
        "vmapcore vmap",
        "vmapcore jit vmap",
        "numpy vectorize",
    ]
    assert not contenders(WORKLOADS["programs:kepler_orbit"], OURS, "cuda")


def test_programs_are_summed_up_by_the_median_and_the_least():
    def row(name, **medians):
        entries = [
            {"name": name, "median": t, "agrees": t > 0, "failure": None}
            for name, t in zip(names, medians.values(), strict=True)
        ]
        return {"workload": f"programs:{name}", "contenders": entries}

    names = ("vmapcore loop", "numpy vectorize", "vmapcore vmap", "vmapcore jit vmap")
    rows = [
        row("a", l=4.0, v=4.1, m=2.0, j=0.02),
        row("b", l=1.0, v=1.0, m=0.1, j=-1.0),
        row("c", l=9.0, v=9, m=1, j=1),
    ]
    assert summary.programs(rows) == [
        ["a", "4 s", "4.1 s", "2 s", "20 ms", "2", "200"],
        ["b", "1 s", "1 s", "100 ms", "–", "10", "–"],
        ["c", "9 s", "9 s", "1 s", "1 s", "9", "9"],
        ["median", "", "", "", "", "9", "104"],
        ["least", "", "", "", "", "2", "9"],
    ]
    assert summary.programs(rows[1:2])[-1][-1] == "–"


def test_results_of_rows_are_arrays_of_all_rows():
    rows = [{"b": np.arange(n), "a": (float(n), None)} for n in (2, 0, 1)]
    numbers, lengths, elements = programs.stacked(rows)
    assert numbers.tolist() == [2.0, 0.0, 1.0] and lengths.tolist() == [2, 0, 1] and elements.tolist() == [0, 1, 0]


def test_more_rows_than_a_sweep_has_lie_between_its_rows():
    few = programs.Program("p", abs, (np.array([1.0, 3.0]), np.array([[2, 5], [7, 0]])), (), False)
    assert few.rows(1, np.random.default_rng(0))[0].tolist() == [1.0]
    x, n = few.rows(500, np.random.default_rng(0))
    assert x.shape == (500,) and n.shape == (500, 2) and n.dtype == few.sweep[1].dtype
    assert 1 <= x.min() < 1.1 and 2.9 < x.max() <= 3 and len(set(x)) == 500
    assert {tuple(row) for row in n.tolist()} == {(2, 5), (7, 0)}


def test_the_contenders_of_jit():
    """With and without Numba where there is Numba; peers by those forms that can be the best."""
    found = [c.name for c in contenders(WORKLOADS["lenet_train"], (*OURS, "torch", "torch-compile", "jax"))]
    numba = ["vmapcore-numpy jit loop", "vmapcore-numpy jit vmap"] if installed("vmapcore-numpy") else []
    torch = ["torch loop", "torch loop nhwc", "torch vmap", "torch-compile loop", "torch-compile vmap"]
    ours = ["vmapcore loop", "vmapcore vmap", "vmapcore jit loop", "vmapcore jit vmap"]
    assert [name for name in found if name not in torch and not name.startswith("jax")] == [
        *ours,
        *numba,
        "numpy by hand",
    ]
    assert not installed("torch") or set(torch) < set(found)
    assert dict(LIBRARIES["vmapcore-numpy"].environment) == {"VMAPCORE_NUMBA": "0"}
    assert not any("numpy jit" in c.name for c in contenders(WORKLOADS["cnn_train"], OURS, "cuda"))
    assert "torch loop nhwc" not in [c.name for c in contenders(WORKLOADS["cnn_persample"], ("torch",))]


def test_a_workload_counts_what_it_costs():
    job = Job("vmapcore", "vmap", "mlp_ensemble", "small", "cpu", "float32")
    counts = job.counts()
    params, images = job.arrays
    products = 2 * images.shape[0] * images.shape[1] * sum(w[0].size for w in params.values() if w.ndim == 3)
    assert products <= counts["flops"] < 1.1 * products
    arrays = [images, *params.values()]
    assert counts["through"] == sum(x.nbytes for x in arrays) + images.shape[0] * images.shape[1] * 10 * 4
    assert counts["moved"] > counts["through"] and counts["alive"] > 0


def test_a_floor_is_the_longer_of_products_and_copies():
    peaks = [{"flops": 1e9, "bytes": 1e9}, {"flops": 2e9, "bytes": 1e8}]
    assert floors.floor({"flops": 4e9, "through": 1e9}, peaks) == 2
    assert floors.floor({"flops": 4e9, "through": 3e9}, peaks) == 3
    assert floors.floor({}, peaks) is floors.floor({"flops": 1, "through": 1}, []) is None


def test_memory_is_the_most_that_was_held():
    before = memory.settle()
    held = np.ones(8_000_000)
    assert memory.peak() - before > 0.9 * held.nbytes


WEIGHED = """
from bench.worker import Job
job = Job("vmapcore", {variant!r}, "pairwise", "full", "cpu", "float32")
job.prepare()
print(job.time(0.01)["call memory"], job.time(0.01)["call memory"])
"""


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="peaks since a moment are Linux's")
@pytest.mark.parametrize("variant, arrays", [("vmap", 2 * 16), ("jit vmap", 1)])
def test_memory_of_a_call_has_no_compiler(variant, arrays):
    """300 by 300 distances; eager code has differences of points and their squares, of 16 coordinates each."""
    code = WEIGHED.format(variant=variant)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == out[1]
    assert 0.9 * arrays < int(out[0]) / (300 * 300 * 4) < 1.5 * arrays + 3


def test_the_summary_shows_the_memory_of_calls():
    measured = document(vmapcore_jit_vmap=2e-3, vmapcore_vmap=3e-3, torch_loop=8e-3, jax_jit_vmap=4e-3)
    assert summary.memories(measured) == []
    for entry, weight in zip(measured["rows"][0]["contenders"], [1e6, 3e6, 2e6, None], strict=True):
        entry["call memory"] = weight
    assert summary.memories(measured) == [["w", "1 MB", "–", "3 MB", "–", "2 MB", "–", "–", "–"]]
    assert "| w | 1 MB | – | 3 MB |" in summary.markdown(measured)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run of one workload and an overhead, with all it writes."""
    folder = tmp_path_factory.mktemp("bench")
    code = cli.main(
        [
            "run",
            "pairwise",
            "overhead:multiply",
            *SMALL,
            "--json",
            str(folder / "a.json"),
            "--plot",
            str(folder / "a.png"),
        ]
    )
    return code, folder


def test_a_run_measures_compares_and_writes(measured):
    code, folder = measured
    document = json.loads((folder / "a.json").read_text())
    assert code == 0
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")
    assert document["schema"] == documents.SCHEMA
    assert {"machine", "versions", "threads", "device", "precision", "size", "repeat", "when"} <= set(document)
    assert document["complete"] and document["seconds"] > 0
    assert {"python", "numpy", "blas"} <= set(document["versions"])
    pairwise, overhead = document["rows"]
    names = [c["name"] for c in pairwise["contenders"]]
    assert names == [c.name for c in contenders(WORKLOADS["pairwise"], OURS)]
    assert names[:4] == ["vmapcore loop", "vmapcore vmap", "vmapcore jit loop", "vmapcore jit vmap"]
    assert [c["name"] for c in overhead["contenders"]] == [
        "vmapcore vmap",
        "vmapcore grad",
        "vmapcore vmap(grad)",
        "numpy plain",
    ]
    for entry in pairwise["contenders"]:
        assert entry["agrees"] is True and entry["failure"] is None and entry["share"] <= 1
        assert entry["calls"] >= 1 and entry["median"] > 0 and "times" not in entry
        assert entry["ratio"] == pytest.approx(entry["median"] / pairwise["contenders"][3]["median"])
        assert entry["first"] > 0 and entry["memory"] >= 0 and entry["call memory"] >= 0 and entry["cold"] is None
        assert entry["compiled"] == ("jit" in entry["name"])
    assert pairwise["counts"]["flops"] > 0 and overhead["counts"] == {}
    assert [c["ratio"] for c in overhead["contenders"]] == [1, 1, 1, None]


def test_report_shows_what_was_written(measured, capsys):
    folder = measured[1]
    assert cli.main(["report", str(folder / "a.json")]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("pairwise", "numpy by hand", "ratio", "µs per primitive", "numpy plain"))


def document(**times: float) -> dict[str, Any]:
    """A row of a workload as a run leaves it, with the medians of contenders."""
    rows = []
    for name, seconds in times.items():
        library, _, variant = name.partition("_")
        entry = timing._entry(Contender(library.replace("0", "-"), variant.replace("_", " ")))
        rows.append(
            entry
            | {
                "median": seconds,
                "agrees": True,
                "first": 1.0,
                "second": 0.5,
                "cold": 2.0,
                "cold second": 1.0,
                "notes": {"numba": library == "vmapcore"},
            }
        )
    row = {"workload": "w", "task": "forward", "counts": {"flops": 1e9, "through": 0}, "contenders": rows}
    return {"command": ["run", "w"], "cold": True, "peaks": [{"flops": 1e12, "bytes": 1e9}], "rows": [row]}


def test_the_summary_names_the_best_peer_and_the_floor():
    measured = document(vmapcore_jit_vmap=2e-3, vmapcore0numpy_jit_vmap=3e-3, torch_loop=8e-3, jax_jit_vmap=4e-3)
    assert summary.lines(measured) == [
        ["w", "2 ms", "3 ms", "–", "–", "4 ms", "jax jit vmap", "2.00", "50%"],
    ]
    text = summary.markdown(measured)
    assert "`python -m bench run w`" in text and "| w | 2 ms | 3 ms |" in text
    assert summary.first_calls(measured) == [["w", "–", "3 s", "1.5 s", "3 s", "1.5 s", "–", "–", "3 s", "1.5 s"]]
    assert summary.planning(measured) == [["w", "–", "–", "–", "1.5 s", "1.5 s"]]
    assert summary.planning(document(vmapcore_jit_vmap=0.5, vmapcore_vmap=0.1)) == [
        ["w", "100 ms", "1 s", "200 ms", "1 s", "–"]
    ]
    measured["rows"][0]["contenders"][1]["notes"] = {"numba": True}  # it was not kept out: the column would lie
    assert summary.lines(measured)[0][2] == "–"
    wrong = measured["rows"][0]["contenders"][3]
    wrong["agrees"] = False
    assert summary.best_peer(measured["rows"][0]) == "torch loop"
    wrong = measured["rows"][0]["contenders"][0]
    wrong["failure"] = "RuntimeError"
    assert summary.lines(measured) == []


def test_report_prints_the_table_of_the_readme(measured, capsys):
    assert cli.main(["report", str(measured[1] / "a.json"), "--markdown"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("`python -m bench") and "| pairwise |" in out and "overhead" not in out.partition("\n")[2]


def test_what_was_measured_stays_after_an_interruption(tmp_path, monkeypatch, capsys):
    """The second workload is interrupted; the row of the first is in the file already, and none is half written."""
    path = tmp_path / "i.json"
    run_race = timing.Race.run

    def interrupted(race: timing.Race) -> dict[str, Any]:
        if race.workload.name == "overhead:add":
            assert len(documents.load(path)["rows"]) == 1
            raise KeyboardInterrupt
        return run_race(race)

    monkeypatch.setattr(timing.Race, "run", interrupted)
    assert cli.main(["run", "overhead:multiply", "overhead:add", *SMALL, "--json", str(path)]) == 130
    assert documents.load(path)["complete"] is False and len(documents.load(path)["rows"]) == 1
    assert "interrupted" in capsys.readouterr().out and [p.name for p in tmp_path.iterdir()] == ["i.json"]


def test_report_shows_what_is_kept_with_the_project(capsys):
    """Runs and sweeps."""
    assert cli.main(["report"]) == 0
    out = capsys.readouterr().out
    assert "in short: the best peer's time over ours" in out and "mlp, gradients" in out
    assert cli.main(["report", "--markdown"]) == 0


def test_of_all_times_the_median_and_the_quartiles_are_kept():
    assert timing.summed_up([5.0, 1.0, 2.0, 4.0, 3.0]) == {"calls": 5, "median": 3.0, "spread": [1.0, 2.0, 4.0, 5.0]}
    assert timing.summed_up([]) == {"calls": 0, "median": None, "spread": None}


def test_a_document_is_an_entry_a_line(tmp_path):
    entries = [{"name": f"{i}, “{i}”", "median": i / 3, "calls": i, "agrees": None} for i in range(40)]
    path = tmp_path / "a.json"
    documents.save({"schema": documents.SCHEMA, "rows": [{"workload": "w", "contenders": entries}]}, path)
    assert documents.load(path)["rows"][0]["contenders"] == entries
    assert len(path.read_text().splitlines()) < 40 + 12


def test_report_refuses_other_files(tmp_path, capsys):
    (tmp_path / "b.json").write_text("{}")
    assert cli.main(["report", str(tmp_path / "b.json")]) == 2
    assert cli.main(["report", str(tmp_path / "none.json")]) == 2
    assert "is not a result of this benchmark" in capsys.readouterr().out


def test_a_wrong_contender_is_exit_code_1(tmp_path, capsys):
    code, (row,) = run("pairwise", *SMALL, "--peers", "tests.test_bench", str(tmp_path / "c.json"))
    assert code == 1 and row["agree"] is False
    wrong = {c["variant"]: c for c in row["contenders"] if c["library"] == "tests.test_bench"}
    assert wrong["vmap"]["agrees"] is False and wrong["vmap"]["error"] > 0.1
    assert wrong["loop"]["failure"] == "RuntimeError: this one has no loop"
    assert "tests.test_bench vmap disagrees at out" in capsys.readouterr().out


def test_a_result_that_is_not_a_number_does_not_agree(tmp_path):
    job = Job("numpy", "by hand", "pairwise", "small", "cpu", "float32")
    job.save(str(tmp_path / "r.npz"))
    right = job.call()
    job.call = lambda: np.where(np.eye(*right.shape) > 0, np.nan, right)
    assert job.compare(str(tmp_path / "r.npz"), 1, 1)["agrees"] is False
    job.call = lambda: right[:-1]
    assert "has shape" in job.compare(str(tmp_path / "r.npz"), 1, 1)["where"]


def test_processes_of_contenders(tmp_path):
    """Forked or not, a process answers, says why it failed, and is killed when it takes too long."""
    start = {"workload": "pairwise", "size": "small", "device": "cpu", "precision": "float32"}
    with Servers("cpu", tmp_path, 20.0) as servers:
        for environment in ({}, {"SOME_CACHE": str(tmp_path)}):
            process = servers.process(Contender("numpy", "by hand"), tmp_path, environment)
            process.send("start", library="numpy", variant="by hand", **start)
            assert process.receive() == {}
            assert process.ask("prepare")["first"] > 0
            with pytest.raises(ContenderError, match="no attribute 'dance'"):
                process.ask("dance")
            process.limit = 0.0
            with pytest.raises(ContenderError, match="it took more than 0 s"):
                process.ask("time", seconds=0.5)
            process.close()
        process = servers.process(Contender("bench.nothing", "vmap"), tmp_path, {})
        with pytest.raises(ContenderError, match=r"its process ended: .*No module named 'bench.nothing'"):
            process.receive()
        process.close()


def test_slow_contenders_run_less_often(tmp_path):
    quick = timing.Settings(size="small", repeat=3, seconds=0.0, pause=0.0, most=1e-9)
    with Servers("cpu", tmp_path, quick.limit) as servers:
        row = Race(WORKLOADS["pairwise"], quick, servers, lambda who: None).run()
    assert row["agree"]
    for entry in row["contenders"]:  # what compiles has a call after its first
        assert entry["calls"] == 1 and (entry["median"] == entry["first"]) == (not entry["compiled"])


@pytest.mark.skipif(not installed("vmapcore-numpy"), reason="Numba is not installed")
def test_cold_first_calls_have_empty_caches(tmp_path):
    quick = timing.Settings(size="small", repeat=1, seconds=0.0, pause=0.0, cold=True)
    with Servers("cpu", tmp_path, quick.limit) as servers:
        race = Race(WORKLOADS["pairwise"], quick, servers, lambda who: None)
        race.entries = {c: e for c, e in race.entries.items() if c.variant in ("loop", "jit vmap")}
        row = race.run()
    cold = {c["name"]: c["cold"] for c in row["contenders"]}
    assert row["agree"] and cold["vmapcore jit vmap"] > 0
    assert cold["vmapcore loop"] is cold["vmapcore-numpy jit vmap"] is None


@pytest.mark.skipif(not (installed("torch") and installed("jax")), reason="torch and jax are not installed")
def test_peers_agree(tmp_path):
    quick = Settings(size="small", repeat=1, seconds=0.01, pause=0.0, peers=("torch", "jax"))
    with Servers("cpu", tmp_path, quick.limit) as servers:
        race = Race(WORKLOADS["lenet_train"], quick, servers, lambda who: None)
        oracle = reference(race.workload)
        race.entries = {c: e for c, e in race.entries.items() if c.library in quick.peers or c == oracle}
        row = race.run()
    names = {"vmapcore loop", "torch loop", "torch loop nhwc", "torch vmap", "jax jit loop", "jax jit vmap"}
    assert {c["name"] for c in row["contenders"]} == names
    assert row["agree"] and all(c["agrees"] for c in row["contenders"]), row


def test_the_grid_of_the_sweep_is_bounded():
    points = sweep.grid(("mlp", "lenet", "cnn"), ("forward",), 8e9)
    assert points == sorted(points) and max(p.flops for p in points) <= 8e9
    for values, name in ((sweep.MEMBERS, "members"), (sweep.IMAGES, "images"), (sweep.CHANNELS, "channels")):
        assert set(values) <= {getattr(p, name) for p in points}
    own = {p.model: p.channels for p in points if p.channels not in sweep.CHANNELS}
    assert own == {"mlp": 128, "lenet": 6, "cnn": 32}


def test_models_of_other_widths():
    for name, model in MODELS.items():
        assert sweep.widened(name, sweep.own_channels(name)) == model
    assert sweep.widened("cnn", 3).shapes["fc1.weight"] == (128, 6 * 144)
    assert sweep.widened("lenet", 12).shapes["conv2.weight"] == (32, 12, 5, 5)
    assert sweep.widened("mlp", 1).shapes == {
        "fc1.weight": (1, 784),
        "fc1.bias": (1,),
        "fc2.weight": (1, 1),
        "fc2.bias": (1,),
        "fc3.weight": (10, 1),
        "fc3.bias": (10,),
    }
    assert sweep.flops(MODELS["mlp"], "forward") == 2 * (784 * 128 + 128 * 128 + 128 * 10)
    assert sweep.flops(MODELS["cnn"], "forward") == 2 * (
        9 * 32 * 26**2 + 64 * 32 * 9 * 24**2 + 128 * 9216 + 1280
    )  # what the design calls 15.3 GFLOP for 640 images
    assert sweep.flops(MODELS["lenet"], "gradients") == 3 * sweep.flops(MODELS["lenet"], "forward")


@pytest.mark.numpy_plans
@pytest.mark.parametrize("task", sweep.TASKS)
@pytest.mark.parametrize("name", MODELS)
def test_the_loop_and_vmap_of_the_sweep_agree(name, task):
    loop, mapped = sweep.calls(sweep.Point(0, name, task, 2, 3, 4))
    for _ in range(2):
        wanted, found = gather(np.stack, loop()), mapped()
        for key, x in named(found).items():
            np.testing.assert_allclose(x, named(wanted)[key], rtol=1e-3, atol=1e-5)


def test_a_sweep_goes_on_where_it_stopped(tmp_path, capsys):
    path, plot = tmp_path / "s.json", tmp_path / "s.png"
    arguments = ["sweep", "--model", "mlp", "--size", "small", "--json", str(path), "--plot", str(plot)]
    assert cli.main([*arguments, "--seconds", "0.000001"]) in (0, 1)
    some = documents.load(path, sweep.SCHEMA)
    assert some["left"] > 0 and "cells are left" in capsys.readouterr().out
    assert cli.main(arguments) in (0, 1)
    found = documents.load(path, sweep.SCHEMA)
    assert found["left"] == 0 and found["cells"][: len(some["cells"])] == some["cells"]
    assert len(found["cells"]) == len(sweep.grid(("mlp",), ("forward",), 8e9, small=True))
    assert plot.read_bytes().startswith(b"\x89PNG") and "mlp, forward: loop / vmap" in capsys.readouterr().out
    with pytest.raises(ValueError, match="not a result"):
        documents.load(path)


def cell(members: int, seconds: float, loop: float = 1.0) -> dict[str, Any]:
    point = sweep.Point(1000 * members, "mlp", "forward", members, 4, 128)
    return {**point.key, "flops": point.flops, "vmap": seconds, "loop": loop, "ratio": loop / seconds}


def test_a_sweep_marks_what_is_slower_and_what_jumps():
    found = {"cells": [cell(1, 0.1), cell(2, 0.2), cell(4, 1.25, 1.0)], "left": 0}
    assert sweep.slower(found) == found["cells"][2:]
    ((a, b, faster),) = sweep.cliffs(found)
    assert (a["members"], b["members"]) == (2, 4) and faster == pytest.approx(3.125)
    (_, headings, rows), *_ = sweep.tables(found)
    assert headings == ["members, by images", "4"]
    assert rows == [["1", "10.00 "], ["2", "5.00 "], ["4", "0.80<"]]


def test_bad_commands_name_what_there_is(capsys):
    assert cli.main(["run", "cnn_esemble"]) == 2
    assert "there is no workload 'cnn_esemble'" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no peer 'tensorflow'; there are torch, torch-compile, jax"):
        cli.main(["run", "pairwise", "--peers", "tensorflow"])
    with pytest.raises(SystemExit):
        cli.main(["run", "pairwise", "--repeat", "0"])


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(cli, "installed", lambda name: name == "jax")
    assert cli.wanted_peers("torch,jax") == ("jax",)
    assert "torch is not installed, so it is left out" in capsys.readouterr().out


def test_gpu_check_says_that_there_is_nothing_to_check(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "found", lambda package: False)
    assert cli.main(["gpu-check"]) == gpu_check.NOTHING == 3
    assert "gpu-check: nothing to check: CuPy is not installed." in capsys.readouterr().out
    assert cli.main(["run", "pairwise", "--device", "cuda"]) == 2


@pytest.mark.parametrize("tests_code, code", [(0, 0), (1, 1)])
def test_gpu_check_runs_tests_and_workloads(monkeypatch, tmp_path, capsys, measured, tests_code, code):
    """Its flow, with a device that is pretended and rows measured on the CPU."""
    seen = []
    monkeypatch.setattr(gpu_check, "device", lambda: ("NVIDIA X100 80GB", ""))
    monkeypatch.setattr(gpu_check, "run_tests", lambda: {"code": tests_code, "summary": "7 passed", "failed": []})
    monkeypatch.setattr(gpu_check, "_sees_cuda", lambda package: package == "jax")
    monkeypatch.setattr(documents, "RESULTS", tmp_path)
    rows = documents.load(measured[1] / "a.json")
    monkeypatch.setattr(cli, "run_workloads", lambda *asked: seen.append(asked) or rows)
    assert cli.main(["gpu-check"]) == code
    document = documents.load(tmp_path / "gpu-nvidia-x100-80gb.json")
    assert document["gpu"] == "NVIDIA X100 80GB" and document["tests"]["summary"] == "7 passed"
    ((workloads, settings, path),) = seen
    assert path == tmp_path / "gpu-nvidia-x100-80gb.json"
    assert workloads == [w for w in WORKLOADS.values() if w.task != "program"] and settings.device == "cuda"
    assert settings.peers == (("jax",) if installed("jax") else ())
    assert "torch" in capsys.readouterr().out


def test_vectorize_is_for_plain_code_on_the_cpu():
    def variants(name, device):
        return [c.variant for c in contenders(WORKLOADS[name], ("numpy",), device)]

    assert variants("pairwise", "cpu") == ["by hand", "vectorize"]
    assert variants("pairwise", "cuda") == variants("mlp_ensemble", "cpu") == ["by hand"]


def test_gather_stacks_what_nested_loops_left():
    tree = [[{"a": np.ones(2)}, {"a": np.zeros(2)}]] * 3
    assert gather(np.stack, tree)["a"].shape == (3, 2, 2)


def test_equal_infinities_and_nans_agree_and_programs_may_be_off_nowhere(tmp_path):
    job = Job("vmapcore", "loop", "programs:truss_solve", "small", "cpu", "float32")
    right = np.array([np.inf, np.nan, 1.0, 1e3])
    job.call = lambda: (right,)
    job.save(str(tmp_path / "r.npz"))
    for changed, agrees in [(right, True), (right + [0, 0, 1e-3, 0], False), (-right, False), (right[::-1], False)]:
        job.call = lambda changed=changed: (changed,)
        assert job.compare(str(tmp_path / "r.npz"), 1e-8, 1e-6)["agrees"] is agrees


def test_a_few_elements_may_be_off_as_by_a_maximum_of_equals(tmp_path):
    job = Job("numpy", "by hand", "pairwise", "small", "cpu", "float32")
    job.save(str(tmp_path / "r.npz"))
    right = job.call()
    norm = np.linalg.norm(right)
    for off, agrees in [(0.005, True), (0.02, False)]:
        changed = right.copy()
        changed[0, 0] += off * norm
        job.call = lambda changed=changed: changed
        assert job.compare(str(tmp_path / "r.npz"), 1e-6, 1e-6)["agrees"] is agrees
