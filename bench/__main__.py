"""The command line of the benchmark.

Exit codes: 0 all agree; 1 a result disagrees, a contender of ours failed, a test did, or a cell of the sweep is slower
than the loop; 2 the command makes no sense; 3 gpu-check found nothing to check; 130 interrupted.
"""

import argparse
import importlib
import importlib.util
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from . import documents, floors, gallery, gpu_check, machine, report, summary, sweep
from .documents import Document
from .library import OURS, PEERS, installed
from .models import MODELS
from .processes import Servers
from .timing import Race, Settings
from .workloads import SIZES, Workload, select

console = Console(width=None if sys.stdout.isatty() else 160)  # a file has room

LATEST = Path("out/bench.json")


def run_workloads(workloads: list[Workload], settings: Settings, path: Path | None = None) -> Document:
    """Measures every workload and returns the document that is shown; it is saved after each, so none is lost."""
    start = time.perf_counter()
    document: Document = {
        "schema": documents.SCHEMA,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv[1:],
        "device": settings.device,
        "precision": settings.precision,
        "size": settings.size,
        "repeat": settings.repeat,
        "peers": list(settings.peers),
        "cold": settings.cold,
        "complete": False,
        **machine.describe(),
        "peaks": [],
        "rows": [],
    }

    def note(peaks: bool = False) -> None:
        if peaks and settings.size == "full":  # floors of small sizes would say nothing
            document["peaks"].append(floors.measured(settings.device))
        document["seconds"] = time.perf_counter() - start
        if path:
            documents.save(document, path)

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        tempfile.TemporaryDirectory() as folder,
        Servers(settings.device, Path(folder), settings.limit) as servers,
    ):
        bar = progress.add_task("", total=len(workloads))
        note(peaks=True)
        servers.warm([name for name in OURS + settings.peers if installed(name)])
        try:
            for workload in workloads:

                def tick(who: str, name: str = workload.name) -> None:
                    progress.update(bar, description=f"{name}: {who}")

                document["rows"].append(Race(workload, settings, servers, tick).run())
                progress.advance(bar)
                note()
            document["complete"] = True
        except KeyboardInterrupt:
            report.say(console, "bench: interrupted; what follows is what was measured until then", "yellow")
    note(peaks=True)
    return document


def finish(runs: list[Document], options: argparse.Namespace) -> int:
    """Shows and draws documents; the exit code says whether all agree."""
    for document in runs:
        report.show(document, console)
    if options.plot:
        importlib.import_module("bench.plot").draw(runs, options.plot)
        report.say(console, f"plot written to {options.plot}")
    return 0 if all(row["agree"] for document in runs for row in document["rows"]) else 1


def settings_of(options: argparse.Namespace, peers: tuple[str, ...]) -> Settings:
    quick = {"seconds": 0.02, "pause": 0.0} if options.size == "small" else {}
    return Settings(
        options.device,
        options.precision,
        options.size,
        options.repeat,
        most=options.max_seconds,
        cold=options.cold,
        peers=peers,
        **quick,
    )


def wanted_peers(text: str) -> tuple[str, ...]:
    """The installed ones of a comma-separated list, with a line for each that is not."""
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in PEERS and "." not in name:
            raise SystemExit(
                f"bench: there is no peer '{name}'; there are {', '.join(PEERS)}, and modules of your own "
                "with a LIBRARY by their dotted names"
            )
        if not installed(name):
            report.say(console, f"{name} is not installed, so it is left out", "yellow")
    return tuple(name for name in names if installed(name))


def list_command(options: argparse.Namespace) -> int:
    console.print(report.workloads_table())
    console.print(report.libraries_table())
    return 0


def run_command(options: argparse.Namespace) -> int:
    try:
        workloads = select(options.names)
    except KeyError as unknown:
        report.say(console, f"bench: there is no workload {unknown}; see python -m bench list", "red")
        return 2
    if options.device == "cuda" and gpu_check.device()[0] is None:
        report.say(console, f"bench: --device cuda: {gpu_check.device()[1]}", "red")
        return 2
    document = run_workloads(workloads, settings_of(options, wanted_peers(options.peers)), options.json)
    code = finish([document], options)
    report.say(console, f"written to {options.json}")
    return code if document["complete"] else 130


def report_command(options: argparse.Namespace) -> int:
    paths = options.paths or sorted(documents.RESULTS.glob("*.json"))
    if not paths:
        report.say(console, f"bench: there is nothing in {documents.RESULTS}; make something with run --json", "red")
        return 2
    try:
        found = [documents.load(path, documents.SCHEMA, sweep.SCHEMA) for path in paths]
    except (OSError, ValueError) as error:
        report.say(console, f"bench: {error}", "red")
        return 2
    runs = [document for document in found if document["schema"] == documents.SCHEMA]
    if options.markdown:
        for document in runs:
            print(summary.markdown(document))
        return 0
    for document in found:
        if document["schema"] == sweep.SCHEMA:
            report.show_sweep(document, console)
    return finish(runs, options) if runs else 0


def gallery_command(options: argparse.Namespace) -> int:
    print(gallery.page(documents.load(gallery.MEASURED)), end="")
    return 0


def gpu_check_command(options: argparse.Namespace) -> int:
    name, missing = gpu_check.device()
    if name is None:
        report.say(console, f"gpu-check: nothing to check: {missing}")
        return gpu_check.NOTHING
    report.say(console, f"gpu-check on {name}: the test suite first")
    tests = gpu_check.run_tests()
    report.say(console, tests["summary"])
    peers, lines = gpu_check.peers()
    for line in lines:
        report.say(console, line, "yellow")
    path = options.json or documents.RESULTS / gpu_check.file_name(name)
    workloads = [w for w in select(options.names) if w.task != "program"]  # which are of NumPy's arrays
    document = run_workloads(workloads, settings_of(options, peers), path)
    document |= {"gpu": name, "tests": tests, "left out": lines}
    documents.save(document, path)
    code = finish([document], options)
    report.say(console, f"written to {path}")
    return code or int(tests["code"] != 0)


def sweep_command(options: argparse.Namespace) -> int:
    points = sweep.grid(options.model, options.task, options.gflop * 1e9, options.size == "small")
    limits = sweep.Limits(options.seconds)
    if options.size == "small":
        limits = sweep.Limits(options.seconds, block=0.0, rounds=1)
    with console.status("") as status:
        document = sweep.run(points, options.json, limits, options.fresh, lambda point: status.update(str(point)))
    report.show_sweep(document, console)
    importlib.import_module("bench.plot").draw_sweep(document, options.plot)
    report.say(console, f"written to {options.json} and {options.plot}")
    return int(bool(sweep.slower(document)))


def parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    top = argparse.ArgumentParser(
        prog="python -m bench", description="vmapcore against a loop, hand-batched NumPy and its peers."
    )
    commands = top.add_subparsers(required=True, metavar="list | run | report | gallery | sweep | gpu-check")

    def command(name: str, do: Any, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(do=do)
        return added

    command("list", list_command, "Show the workloads and who takes part in them.")
    run = command("run", run_command, "Run workloads; all of them if none is named.")
    run.add_argument("names", nargs="*", metavar="NAME", help="a workload, or all; 'overhead' is every overhead:...")
    run.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    run.add_argument(
        "--peers",
        default="",
        metavar="A,B",
        help=f"of {','.join(PEERS)}, or a module of your own with a LIBRARY; none by default",
    )
    check = command(
        "gpu-check",
        gpu_check_command,
        "Run the tests and the workloads on this machine's GPU; exit code 3 if it has none.",
    )
    check.add_argument("names", nargs="*", metavar="NAME", help="workloads; all by default")
    check.set_defaults(device="cuda")
    shown = command("report", report_command, "Print tables of results.")
    shown.add_argument(
        "paths", nargs="*", type=Path, metavar="FILE", help="JSON of run or gpu-check; bench/results/*.json by default"
    )
    shown.add_argument("--markdown", action="store_true", help="tables of the README: ours, the best peer, the floor")
    for measured in (run, check):
        measured.add_argument(
            "--precision", choices=("float32", "tf32"), default="float32", help="of products on a CUDA device"
        )
        measured.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds over the contenders")
        measured.add_argument(
            "--max-seconds",
            type=float,
            default=Settings.most,
            metavar="S",
            help="a contender whose timed calls add up to so much runs in no further rounds (%(default)s)",
        )
        measured.add_argument(
            "--cold", action="store_true", help="first calls with empty caches on disk too; takes minutes more"
        )
        measured.add_argument("--size", choices=SIZES, default="full", help="small: only to see that it works")
        measured.add_argument(
            "--json",
            type=Path,
            metavar="PATH",
            help=f"where to write what was measured, after every workload ({LATEST})",
        )
    run.set_defaults(json=LATEST)
    command("gallery", gallery_command, f"Print docs/gallery.md, with the times of {gallery.MEASURED.name}.")
    swept = command("sweep", sweep_command, "Compare jit(vmap) with a loop over members, images and channels.")
    swept.add_argument("--model", action="append", choices=tuple(MODELS), help="may be given again; all by default")
    swept.add_argument("--task", action="append", choices=sweep.TASKS, help="may be given again; forward by default")
    swept.add_argument("--seconds", type=float, default=sweep.Limits.seconds, metavar="S", help="%(default)s")
    swept.add_argument(
        "--gflop",
        type=float,
        default=sweep.Limits.flops / 1e9,
        metavar="G",
        help="the most work of a cell (%(default)s)",
    )
    swept.add_argument("--size", choices=SIZES, default="full", help="small: only to see that it works")
    swept.add_argument("--json", type=Path, default=Path("out/sweep.json"), metavar="PATH", help="kept (%(default)s)")
    swept.add_argument("--plot", type=Path, default=Path("out/sweep.png"), metavar="PATH", help="drawn (%(default)s)")
    swept.add_argument("--fresh", action="store_true", help="do not go on with what --json holds")
    for drawn in (run, check, shown):
        drawn.add_argument("--plot", type=Path, metavar="PATH", help="where to draw the ratios (png, svg, pdf)")
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if getattr(options, "repeat", 1) < 1:
        parser().error("--repeat must be at least 1")
    if options.do is sweep_command:
        options.model, options.task = options.model or tuple(MODELS), options.task or ("forward",)
    code: int = options.do(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
