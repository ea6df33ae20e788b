"""A small real experiment of four stages, which the tests run, kill and starve of disk space.

    python tests/small_experiment.py run RUNS [--name N] [--stop-in STAGE] [--scale X] [--fresh]
    python tests/small_experiment.py fail-everywhere RUNS --by kill|interrupt|full-disk [--fresh]

The second fails once at every point at which a run touches the file system (it forks for each), runs
again, and compares.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from traitleak.errors import RunError
from traitleak.experiment import run_plan
from traitleak.progress import Track
from traitleak.results import Results
from traitleak.runs import FinishedRun
from traitleak.stages import Stage

_TOUCHES = {
    "open",
    "os.listdir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "shutil.copyfile",
    "shutil.rmtree",
}
_GOT_THROUGH = 3  # the exit status of a run that never came to its point of failure
_STATUS = {
    "kill": {-signal.SIGKILL},
    "interrupt": {130},
    # Making a folder that is there already needs no room: nothing fails.
    "full-disk": {0, 2},
}


def stages(*, scale: float = 1.0, stop_in: str = "", version: int = 1) -> list[Stage]:
    """`start`, then `left` and `right` of it, then `both`; only `right` depends on `scale`.

    The stage `stop_in` stops half-way, as if its work were long.
    """

    def step(name: str) -> None:
        if name == stop_in:
            print(f"half-way in {name}", flush=True)  # noqa: T201
            time.sleep(60)

    def start(out: Path, _inputs: Mapping[str, Path], _track: Track) -> None:
        rng = np.random.default_rng(7)
        for part in range(3):
            np.save(out / f"part-{part}.npy", rng.standard_normal((40, 40)))
            step("start")

    def halve(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        (out / "nested").mkdir()
        for part in range(3):
            half = np.load(inputs["start"] / f"part-{part}.npy") / 2
            np.save(out / "nested" / f"{part}.npy", half)
            step("left")

    def stretch(out: Path, inputs: Mapping[str, Path], _track: Track) -> None:
        parts = []
        with (out / "metrics.jsonl").open("w") as file:
            for part in range(3):
                step("right")
                parts.append(np.load(inputs["start"] / f"part-{part}.npy") * scale)
                file.write(f'{{"part": {part}, "mean": {parts[-1].mean()}}}\n')
        np.save(out / "stack.npy", np.stack(parts))

    def both(out: Path, inputs: Mapping[str, Path], track: Track) -> None:
        stack = np.load(inputs["right"] / "stack.npy")
        total = 0.0
        with (out / "total.txt").open("w") as file:
            for part in track(range(3), "adding", 3):
                step("both")
                left = np.load(inputs["left"] / f"nested/{part}.npy")
                total += float((stack[part] @ left).sum())
            file.write(f"{total!r}\n")

    return [
        Stage("start", {"seed": 7}, start, version=version),
        Stage("left", {}, halve, inputs=("start",)),
        Stage("right", {"scale": scale}, stretch, inputs=("start",)),
        Stage("both", {}, both, inputs=("left", "right")),
    ]


def conclude(folders: Mapping[str, Path]) -> Results:
    """The one number that depends on every stage."""
    total = (folders["both"] / "total.txt").read_text().strip()
    return make_results(settings={"total": float(total)})


def make_results(settings: dict[str, Any]) -> Results:
    """The least that can be called results."""
    return Results(
        experiment="small",
        recipe="small",
        title="Small",
        question="What is the total?",
        answer="This.",
        measure="total",
        conditions=[],
        comparisons=[],
        settings=settings,
    )


def run(
    runs: Path,
    *,
    name: str = "small",
    fresh: bool = False,
    say: Callable[[str], None] = lambda _line: None,
    **how: Any,
) -> FinishedRun:
    """Run it in the run folder `name`; `how` goes to `stages`."""
    return run_plan(
        stages(**how),
        conclude,
        folder=runs / name,
        recipe_yaml=f"name: {name}\n",
        environment={"machine": "a test's"},
        fresh=fresh,
        say=say,
    )


def fail_everywhere(runs: Path, by: str, *, fresh: bool) -> int:
    """Fail at the first touch, the second, and so on until a run gets through; how many there were.

    After each failure the run is repeated; it must give the bytes of a run that never failed.
    """
    run(runs / "never")
    expected = (runs / "never/small/results.json").read_bytes()
    for point in range(1, 10_000):
        here = runs / "failing"
        # What a fresh run replaces is there; for the other kind there is something to copy.
        run(here, **({} if fresh else {"name": "beside", "scale": 3.0}))
        status = _in_a_child(here, point, by, fresh=fresh)
        if status == _GOT_THROUGH:
            return point - 1
        assert status in _STATUS[by], f"{status} at {point}"
        for folder in (here / "small").glob("[!.]*/"):
            assert (folder / "manifest.json").exists(), f"{folder} is half-written at {point}"
        run(here)
        assert (here / "small/results.json").read_bytes() == expected, point
        assert not list((here / "small").glob(".unfinished*")), point
        shutil.rmtree(here)
    raise AssertionError("no run got through")


def _in_a_child(runs: Path, point: int, by: str, *, fresh: bool) -> int:
    """Run in a forked process that fails at its `point`-th touch; its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    touches = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal touches
        here = any(str(argument).startswith(str(runs / "small")) for argument in arguments)
        if event not in _TOUCHES or not here:
            return
        if by == "full-disk" and not _takes_room(event, arguments):
            return
        touches += 1
        if touches != point:
            return
        if by == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if by == "interrupt":
            raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))

    sys.addaudithook(hook)
    status = 1
    try:
        run(runs, fresh=fresh)
        status = 0 if touches >= point else _GOT_THROUGH
    except KeyboardInterrupt:
        status = 130
    except RunError:
        status = 2
    finally:
        os._exit(status)


def _takes_room(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return bool(arguments[2] & os.O_CREAT)
    return event in {"os.mkdir", "os.rename", "shutil.copyfile"}


def main() -> None:
    """The command line in this file's first lines."""
    # A process started in the background ignores Ctrl-C, and so do its children: the tests' too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["run", "fail-everywhere"])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--name", default="small")
    parser.add_argument("--stop-in", default="")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--by", default="kill")
    arguments = parser.parse_args()
    if arguments.what == "fail-everywhere":
        print(fail_everywhere(arguments.runs, arguments.by, fresh=arguments.fresh))  # noqa: T201
        return
    try:
        run(
            arguments.runs,
            name=arguments.name,
            stop_in=arguments.stop_in,
            scale=arguments.scale,
            fresh=arguments.fresh,
            say=lambda line: print(line, flush=True),  # noqa: T201
        )
    except RunError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    import small_experiment  # so that the stages' functions have one name, here and in the tests

    small_experiment.main()
