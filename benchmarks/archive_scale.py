"""What one decision costs in an archive of a thousand and of a million programs: parents, a new result, the leaderboard, novelty.

    python benchmarks/archive_scale.py [--sizes 1000,10000,100000,1000000] [--repeats 50] [--json]

The first thousand results are told as a campaign tells them; the rest are copies of their rows under new numbers, ids and scores, since
telling a million would take an hour and change nothing. Every timed call then goes through `archive.store`, on a file, with its commits.
Medians, and the 95th percentile of the slowest size; `growth` is the median at the last size over that at the first.

A million programs take about 2 GB and some minutes to write; the file is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from archive.records import Proposal, Result
from archive.store import SqliteArchive, open_archive
from sandbox.records import CurvePoint, Descriptor, Evaluation, Identity, RunResult, Score, program_id
from sandbox.rules.references import reference_names, reference_text

CAMPAIGN = "big"
TOLD = 1000
LIMITS = {"parents": 10.0, "tell": 5.0, "top": 200.0}  # milliseconds
CHANGES = {  # what a copied row says instead
    "number": f"number + i * {TOLD}",
    "low": "low + (((number * 31 + i * 17) % 997) / 997.0 - 0.5) * 0.2",
    **{key: f"substr({key}, 1, 6) || printf('%06x', i)" for key in ("id", "program_id", "identity_key", "structure", "fingerprint")},
}


def main() -> None:
    """Prints the table."""
    arguments = _arguments()
    sizes = sorted(int(size) for size in arguments.sizes.split(","))
    with tempfile.TemporaryDirectory() as folder, closing(open_archive(Path(folder) / "big.sqlite")) as archive:
        archive.create_campaign(CAMPAIGN, "{}")
        for number in range(TOLD):
            tell(archive, number)
        found = {size: measure(grown(archive, size), size, arguments.repeats) for size in sizes}
    if arguments.json:
        print(json.dumps({size: {name: list(times) for name, times in row.items()} for size, row in found.items()}))
        return
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}; milliseconds, median of {arguments.repeats}")
    print(f"{'programs':>10}" + "".join(f"{name:>10}" for name in found[sizes[0]]))
    for size, row in found.items():
        print(f"{size:>10}" + "".join(f"{median:>10.2f}" for median, _ in row.values()))
    print(f"{'p95':>10}" + "".join(f"{late:>10.2f}" for _, late in found[sizes[-1]].values()))
    print(f"{'growth':>10}" + "".join(f"{found[sizes[-1]][name][0] / found[sizes[0]][name][0]:>10.1f}" for name in found[sizes[0]]))
    print(f"{'goal':>10}" + "".join(f"{LIMITS[name]:>10.0f}" if name in LIMITS else f"{'-':>10}" for name in found[sizes[0]]))


def tell(archive: SqliteArchive, number: int) -> None:
    """One made-up program, proposed and told: a reference's text under a number of its own."""
    stream = np.random.default_rng(number)
    names = reference_names()
    text = f"{reference_text(names[number % len(names)])}\n# {number}\n"
    parents = tuple(elite.id for elite in archive.ask(CAMPAIGN, 1, stream))
    archive.propose(Proposal(campaign=CAMPAIGN, number=number, text=text, proposer="mutation", operator="swap", parents=parents))
    archive.tell(_result(number, program_id(text), stream))


def _result(number: int, identifier: str, stream: np.random.Generator) -> Result:
    low = float(stream.normal(0.5, 0.3))
    score = Score(mean=low + 0.1, low=low, high=low + 0.2, n=4)
    runs = tuple(_run(seed, low) for seed in range(4))
    family = ("policy", "value", "both")[number % 3]
    fields = {
        "family": family,
        "nodes": int(stream.integers(20, 600)),
        "free_predictions": number % 5 == 0,
        "carried_state": number % 7 == 0,
    }
    return Result(
        campaign=CAMPAIGN,
        number=number,
        program_id=identifier,
        title=f"Program {number}",
        identity=Identity(structure=identifier, fingerprint=identifier, settings=identifier),
        descriptor=Descriptor.model_validate(fields),
        traced="{}",
        evaluations=(Evaluation(rung="probes", score=score, runs=runs, device_seconds=2.0),),
        gate_seconds=0.2,
    )


def _run(seed: int, low: float) -> RunResult:
    curve = tuple(CurvePoint(step=step, score=low) for step in range(10))
    return RunResult(
        task="probe:catch", seed=seed, steps=8000, final_return=low, episode_returns=(low,) * 16, curve=curve, device_seconds=0.5
    )


def grown(archive: SqliteArchive, size: int) -> SqliteArchive:
    """The archive with `size` results: rows of the first thousand, copied."""
    first, last = -(-archive.progress(CAMPAIGN)[1] // TOLD), size // TOLD - 1
    if first > last:
        return archive
    copies = f"WITH RECURSIVE copy(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM copy WHERE i < {last})"
    with archive._database.transaction() as connection:  # rows, and not results, are what is copied
        for table in ("programs", "proposals", "results", "evaluations", "standings"):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(CHANGES.get(column, column) for column in columns)
            which = "number" if "number" in columns else "rowid - 1"
            connection.execute(f"{copies} INSERT INTO {table} SELECT {chosen} FROM {table}, copy WHERE {which} < {TOLD}")
        connection.execute("UPDATE cells SET occupants = occupants * ? / ?", (last + 1, first))
    return archive


def measure(archive: SqliteArchive, size: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile in milliseconds by what is done."""
    stream = np.random.default_rng(size)
    numbers = iter(range(archive.progress(CAMPAIGN)[1], 1 << 62))
    told: list[Result] = []

    def add() -> None:
        number = next(numbers)
        text = f"{size} {number}"
        archive.propose(Proposal(campaign=CAMPAIGN, number=number, text=text, proposer="mutation", operator="swap"))
        told.append(_result(number, program_id(text), stream))
        archive.tell(told[-1])

    work: dict[str, Callable[[], object]] = {
        "parents": lambda: archive.ask(CAMPAIGN, 2, stream),
        "tell": add,
        "top": lambda: archive.top(CAMPAIGN, 10),
        "novelty": lambda: archive.alike(CAMPAIGN, told[-1].identity),  # type: ignore[arg-type]
        "climbing": lambda: archive.lows(CAMPAIGN, 0, size),
        "show": lambda: archive.result_of(CAMPAIGN, size // 2),
        "funnel": lambda: archive.funnel(CAMPAIGN, ("probes",)),
    }
    return {name: _timed(each, repeats) for name, each in work.items()}


def _timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times), sorted(times)[int(0.95 * len(times))]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
