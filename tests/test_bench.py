"""The benchmark's commands, its JSON, its exit codes; and that every contender of ours agrees on every workload."""

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bench import __main__ as cli
from bench import gpu_check, machine, report
from bench.library import LIBRARIES, OURS, contenders, installed, reference
from bench.models import MODELS
from bench.numpy_library import NumPyLibrary
from bench.timing import Race, Settings
from bench.trees import gather
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
    return code, report.load(path)["rows"]


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
        "ode_sweep",
        "pairwise",
    ]
    assert select(named) == list(WORKLOADS.values()) == select([]) == select(["all"])
    assert [w.name for w in select(["cnn_train"])] == ["cnn_train", "cnn_train:gradients"]


def test_the_parameters_are_those_of_the_tutorials():
    counts = {name: (len(m.shapes), sum(prod(shape) for shape in m.shapes.values())) for name, m in MODELS.items()}
    assert counts == {"mlp": (6, 118282), "cnn": (8, 1199882), "lenet": (8, 61684)}


@pytest.mark.parametrize("workload", [w for w in WORKLOADS.values() if w.task != "import"], ids=lambda w: w.name)
def test_our_contenders_agree(workload, tmp_path):
    path = str(tmp_path / "reference.npz")
    jobs = {c: Job(c.library, c.variant, workload.name, "small", "cpu", "float32") for c in contenders(workload, OURS)}
    jobs[reference(workload)].save(path)
    for contender, job in jobs.items():
        found = job.compare(path, workload.atol, workload.rtol)
        assert found["agrees"], (contender, found)
        assert found["error"] is not None and len(job.time(0.0)["times"]) == 1


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
    assert document["schema"] == report.SCHEMA
    assert {"machine", "versions", "threads", "device", "precision", "size", "repeat", "when"} <= set(document)
    assert {"python", "numpy", "blas"} <= set(document["versions"])
    pairwise, overhead = document["rows"]
    assert [c["name"] for c in pairwise["contenders"]] == [
        "vmapcore loop",
        "vmapcore vmap",
        "numpy by hand",
        "numpy vectorize",
    ]
    assert [c["name"] for c in overhead["contenders"]] == [
        "vmapcore vmap",
        "vmapcore grad",
        "vmapcore vmap(grad)",
        "numpy plain",
    ]
    for entry in pairwise["contenders"]:
        assert entry["agrees"] is True and entry["failure"] is None and entry["share"] <= 1
        assert len(entry["times"]) == 1 and len(entry["times"][0]) >= 1 and entry["median"] > 0
        assert entry["ratio"] == pytest.approx(entry["median"] / pairwise["contenders"][1]["median"])
    assert [c["ratio"] for c in overhead["contenders"]] == [1, 1, 1, None]


def test_report_shows_what_was_written(measured, capsys):
    folder = measured[1]
    assert cli.main(["report", str(folder / "a.json")]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("pairwise", "numpy by hand", "ratio", "µs per primitive", "numpy plain"))


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


@pytest.mark.skipif(not (installed("torch") and installed("jax")), reason="torch and jax are not installed")
def test_peers_agree():
    quick = Settings(size="small", repeat=1, seconds=0.01, pause=0.0, peers=("torch", "jax"))
    race = Race(WORKLOADS["mlp_persample"], quick, lambda who: None)
    race.entries = {c: e for c, e in race.entries.items() if c.variant == "vmap" or c == reference(race.workload)}
    row = race.run()
    assert {c["name"] for c in row["contenders"]} == {"vmapcore loop", "vmapcore vmap", "torch vmap", "jax vmap"}
    assert row["agree"] and all(c["agrees"] for c in row["contenders"])


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
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(cli, "run_workloads", lambda *asked: seen.append(asked) or report.load(measured[1] / "a.json"))
    assert cli.main(["gpu-check"]) == code
    document = report.load(tmp_path / "gpu-nvidia-x100-80gb.json")
    assert document["gpu"] == "NVIDIA X100 80GB" and document["tests"]["summary"] == "7 passed"
    ((workloads, settings),) = seen
    assert len(workloads) == len(WORKLOADS) and settings.device == "cuda"
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
