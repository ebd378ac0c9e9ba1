"""The measurement in small: what is recorded is not trained again, and a campaign pays for what it would have trained."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from archive.store import open_archive
from sandbox.isolation.base import Isolation
from sandbox.records import AgentSettings, Rung
from sandbox.rules.references import reference_text
from tests.synth.doubles import ArithmeticExecutor, ArithmeticGates

FOLDER = str(Path(__file__).parents[2] / "benchmarks")
RUNG = Rung(name="known", tasks=("probe:catch", "probe:chain"), steps=10, seeds=6, race=True, keep=3)


@pytest.fixture(scope="module")
def economy() -> Iterator[ModuleType]:
    sys.path.insert(0, FOLDER)
    yield import_module("economy")
    sys.path.remove(FOLDER)


def programs(economy: ModuleType) -> list[Any]:
    texts = [f"{k}" for k in range(24)] + ["1#again", "2#again"]
    ppo = economy.Known("ppo", "reference", reference_text("ppo"))
    return [ppo, *(economy.Known(text, "variant", text) for text in texts)]


def bench(economy: ModuleType, path: Path, inner: ArithmeticExecutor) -> Any:
    record = economy.Record(path)
    gates = ArithmeticGates(inner, None, AgentSettings())
    for program in programs(economy):
        report = gates.gates(program.text)
        if report.refusal is None:
            record.gates(program.text, lambda report=report: report)
    return economy.Bench(RUNG, record, economy.RecordedExecutor(inner, record), cast(Isolation, None))


def sound(economy: ModuleType, made: Any) -> list[Any]:
    return [program for program in programs(economy) if ArithmeticGates(made.executor, None, AgentSettings()).gates(program.text).traced]


def test_a_campaign_finds_the_same_best_and_pays_for_what_it_would_have_trained(economy: ModuleType, tmp_path: Path) -> None:
    with closing(ArithmeticExecutor()) as inner:
        made = bench(economy, tmp_path / "record.jsonl", inner)
        known = sound(economy, made)
        whole = economy.full(made, known)
        assert {one.fate for one in whole} == {"trained", "duplicate"}
        trained, total = len(inner.trained), sum(one.seconds for one in whole)
        with closing(open_archive(None)) as archive:
            found = economy.run_campaign(made, [RUNG], known, archive)
            assert found.seconds == archive.device_seconds("economy") < 0.75 * total
        assert set(found.best) == set(economy.best_of(whole, RUNG))
        assert len(inner.trained) - trained == _failed_again(inner, trained), "only failures are not recorded"
    with closing(ArithmeticExecutor()) as inner, closing(open_archive(None)) as archive:
        again = economy.run_campaign(bench(economy, tmp_path / "record.jsonl", inner), [RUNG], known, archive)
        assert again == found, "another process reads the record"


def _failed_again(inner: ArithmeticExecutor, since: int) -> int:
    from sandbox.randomness import derive

    return sum(job.rule != "random" and derive(0, job.rule.id) % 7 == 0 for job in inner.trained[since:])


def test_the_same_again_is_free_where_the_archive_knows_it(economy: ModuleType, tmp_path: Path) -> None:
    with closing(ArithmeticExecutor()) as inner, closing(open_archive(None)) as archive:
        made = bench(economy, tmp_path / "record.jsonl", inner)
        known = sound(economy, made)
        first = economy.run_campaign(made, [RUNG], known, archive, "earlier")
        second = economy.run_campaign(made, [RUNG], known, archive)
        assert (second.best, second.seconds) == (first.best, 0.0)


def test_orders_begin_with_the_baseline_and_have_everybody(economy: ModuleType) -> None:
    known = programs(economy)
    first, second = economy.orders(known, 2, seed=0)
    assert first[0].name == second[0].name == "ppo"
    assert sorted(first) == sorted(second) == sorted(known)
    assert first != second
    assert economy.orders(known, 2, seed=0) == [first, second]


def test_the_sixty_known_programs_are_sixty_texts(economy: ModuleType) -> None:
    known = economy.known_programs()
    assert len({program.text for program in known}) == len({program.name for program in known}) == 60
    kinds = [program.kind for program in known]
    assert [kinds.count(kind) for kind in ("reference", "variant", "rewritten", "broken")] == [11, 12, 5, 32]
