"""Campaigns with language models: a real HTTP server, the real client, the real prompts."""

from __future__ import annotations

import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from archive.records import Reply
from archive.store import SqliteArchive, open_archive
from sandbox.errors import BudgetExhausted, ModelUnavailable, UsageError
from sandbox.language.reply import find_program
from sandbox.records import program_id
from synth.budget import Ending
from synth.quoting import one_line
from synth.spec import CampaignSpec
from tests.synth.doubles import story
from tests.synth.endpoint import KEY, LOSING, Endpoint, good, mixture
from tests.synth.models import model_spec, run
from tests.synth.test_selection import orders

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def replies(archive: SqliteArchive) -> list[Reply]:
    """All of them, without what depends on the clock and on how often the endpoint failed."""
    made = archive.progress("c")[0]
    found = [archive.letters.reply("c", number, turn) for number in range(made) for turn in range(2)]
    return [reply.model_copy(update={"time": 0.0, "seconds": 0.0, "tries": 1}) for reply in found if reply is not None]


def test_a_campaign_through_a_bad_endpoint(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a.sqlite")
    with Endpoint(mixture) as endpoint:
        assert run(model_spec(endpoint.url, calls=60), archive) == Ending.CALLS
        lost = [fault for fault in endpoint.faults if fault in LOSING]
        assert len(endpoint.answered) + len(lost) == archive.letters.spent("c").calls == 60
        assert len(endpoint.asked) > 60, "some were refused, which costs nothing, and asked again"
        assert endpoint.keys == {f"Bearer {KEY}"}
        check_programs(archive, endpoint)
    check_repairs(archive)
    check_funnel(archive)
    archive.close()
    assert not hidden_in(tmp_path, KEY)


def check_programs(archive: SqliteArchive, endpoint: Endpoint) -> None:
    """Every good program that the endpoint wrote is in the archive, scored or failed in training, once; nothing else is."""
    written = [find_program(reply.text) for reply in replies(archive)]
    texts = [text for text in written if text is not None and "np.array" not in text]
    proposals = [proposal for proposal in archive.proposals("c", 2) if proposal.again is None]
    assert sorted(p.text for p in proposals if p.text and "np.array" not in p.text) == sorted(texts)
    results = [archive.result_of("c", proposal.number) for proposal in proposals]
    novel = {result.program_id for result in results if result is not None and result.refusal is None}
    assert novel == {program_id(text) for text in texts}
    assert archive.funnel("c", ())["novel"] == 2 + len(novel) > 17


def check_repairs(archive: SqliteArchive) -> None:
    """What parse or novelty refused goes back once, with the exact refusal."""
    rows = {proposal.number: proposal for proposal in archive.proposals("c", 0)}
    orders = [archive.letters.order("c", number) for number in rows]
    repairs = [order for order in orders if order is not None and order.operator == "repair"]
    assert len({order.repairs for order in repairs}) == len(repairs) > 3
    for order in repairs:
        assert order.repairs is not None
        assert order.parents == (program_id(rows[order.repairs].text),)
        result = archive.result_of("c", order.repairs)
        assert result is not None
        assert result.refusal is not None
        said = order.prompts[0].user
        if result.duplicate_of is not None:
            assert f"computes the same as {result.duplicate_of}, which was judged before" in said
        else:
            assert f"line {result.refusal.line} (`advantages = np.array(returns - value[:-1])`)" in said
        assert one_line(result.refusal.message) in said
        assert one_line(result.refusal.remedy) in said
    assert any("np.array" not in rows[order.number].text for order in repairs)
    refused = [archive.result_of("c", order.repairs) for order in repairs if order.repairs is not None]
    assert {result.refusal.gate for result in refused if result and result.refusal} == {"parse", "novelty"}


def check_funnel(archive: SqliteArchive) -> None:
    funnel = archive.funnel("c", ("low", "high"))
    refused = archive.refusals("c")
    assert funnel["proposed"] == sum(proposal.again is None for proposal in archive.proposals("c", 0))
    prose = [reply for reply in replies(archive) if reply.operator != "insights" and find_program(reply.text) is None]
    assert refused.get("parse: no-program", 0) == len(prose)
    assert funnel["proposed"] - funnel["parsed"] == sum(count for why, count in refused.items() if why.startswith("parse"))
    assert funnel["sensible"] - funnel["novel"] == refused["novelty: duplicate"]
    counts = {(row.proposer, row.operator): row.proposed for row in archive.operators("c")}
    assert {operator for _, operator in counts} >= {"refine", "crossover", "fresh", "challenge", "simplify", "repair"}


def hidden_in(folder: Path, secret: str) -> bool:
    """Whether any file, or any compressed value of a database, holds it."""
    if any(secret.encode() in path.read_bytes() for path in folder.iterdir()):
        return True
    archive = open_archive(folder / "a.sqlite")
    texts = [reply.text for reply in replies(archive)] + [event.text for event in archive.events("c")]
    texts += [str(archive.letters.order("c", number)) for number in range(archive.progress("c")[0])]
    archive.close()
    return any(secret in text for text in texts)


def test_a_recording_gives_the_same_archive_without_a_server(tmp_path: Path) -> None:
    recorded, again = open_archive(tmp_path / "a.sqlite"), open_archive(None)
    with Endpoint(mixture) as endpoint:
        spec = model_spec(endpoint.url, calls=40)
        run(spec, recorded)
    replayed = replaying(spec, tmp_path / "a.sqlite")
    assert run(replayed, again) == Ending.CALLS
    assert story(again) == story(recorded)
    assert replies(again) == replies(recorded)
    assert again.letters.spent("c") == recorded.letters.spent("c")


def replaying(spec: CampaignSpec, path: Path, **budget: Any) -> CampaignSpec:
    section = spec.proposer[0].model_copy(update={"kind": "replay", "archive": str(path), "campaign": "c"})
    return spec.model_copy(update={"proposer": (section,), "budget": spec.budget.model_copy(update=budget)})


def test_a_recording_of_something_else_is_refused(tmp_path: Path) -> None:
    with Endpoint(mixture) as endpoint:
        spec = model_spec(endpoint.url, calls=5)
        run(spec, open_archive(tmp_path / "a.sqlite"))
    replayed = replaying(spec, tmp_path / "a.sqlite")
    (tmp_path / "system.md.j2").write_text("You are somebody else. {{ contract.lines }} lines.")
    other = replayed.model_copy(update={"proposer": (replayed.proposer[0].model_copy(update={"prompts": str(tmp_path)}),)})
    with pytest.raises(UsageError, match="answered another prompt"):
        run(other, open_archive(None))
    with pytest.raises(UsageError, match="has no reply for proposal"):
        run(replaying(spec, tmp_path / "a.sqlite", calls=9), open_archive(None))


CHILD = """
import json
import sys
from pathlib import Path
from archive.store import open_archive
from tests.synth.models import model_spec, run
run(model_spec(sys.argv[2], **json.loads(sys.argv[3])), open_archive(Path(sys.argv[1])))
"""


def killed(path: Path, endpoint: Endpoint, limits: dict[str, int]) -> str | None:
    """Runs the campaign in a process and kills it while calls are in flight; None, or what it said where it ended before."""
    command = [sys.executable, "-c", CHILD, str(path), endpoint.url, json.dumps(limits)]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    before = len(endpoint.asked)
    while child.poll() is None and len(endpoint.asked) < before + 4:
        time.sleep(0.01)
    time.sleep(random.random() * 0.4)
    child.send_signal(signal.SIGKILL)
    _, errors = child.communicate()
    time.sleep(0.3)  # what it had asked arrives
    return None if child.returncode == -signal.SIGKILL else errors


@pytest.mark.slow
def test_killed_while_calls_are_in_flight(tmp_path: Path) -> None:
    path, limits = tmp_path / "a.sqlite", {"proposals": 26}
    with Endpoint(patient, delay=0.15) as endpoint:
        whole = open_archive(None)
        run(model_spec(endpoint.url, **limits), whole)
        endpoint.asked.clear()
        deaths: list[tuple[int, set[str]]] = []  # how many questions had come by then, and which answers were recorded
        while (errors := killed(path, endpoint, limits)) is None:
            deaths.append((len(endpoint.asked), recorded(path)))
        assert not errors or "26 proposals is used up" in errors, errors  # it may die between its last word and its end
    resumed = open_archive(path)
    assert len(deaths) >= 2
    assert story(resumed) == story(whole)
    assert replies(resumed) == replies(whole)
    asked = [prompt.hash for prompt in endpoint.asked]
    uses = Counter(prompt.hash for order in orders(resumed) for prompt in order.prompts)
    for count, known in deaths:
        again = known & set(asked[count:])
        assert not {one for one in again if uses[one] == 1}, "what is paid for and recorded is never asked again"
    lost = [sending for sending in resumed.sendings.all("c") if sending.fate == "lost"]
    assert len(asked) <= len(replies(resumed)) + len(lost) == resumed.letters.spent("c").calls, "every question is in the ledger"
    assert 0 < len(lost) <= 6 * len(deaths), "only what was in flight"
    assert resumed.letters.spent("c").money > whole.letters.spent("c").money, "and counts with the most that it can have cost"


@pytest.mark.slow
def test_a_budget_is_hard_though_it_is_killed_again_and_again(tmp_path: Path) -> None:
    path, limits = tmp_path / "a.sqlite", {"calls": 30}
    with Endpoint(patient, delay=0.15) as endpoint:
        while (errors := killed(path, endpoint, limits)) is None:
            pass
        assert not errors or "30 calls is used up" in errors, errors
    archive = open_archive(path)
    assert 24 < len(endpoint.asked) <= archive.letters.spent("c").calls <= 30


def recorded(path: Path) -> set[str]:
    archive = open_archive(path)
    hashes = {reply.prompt_hash for reply in replies(archive)} if archive.campaigns() else set()
    archive.close()
    return hashes


def patient(prompt: Any, count: int) -> str:
    """The mixture without faults."""
    return mixture(prompt, 1)


def test_what_is_recorded_is_never_asked_again(tmp_path: Path) -> None:
    archive = open_archive(None)
    with Endpoint(patient) as endpoint:
        spec = model_spec(endpoint.url, calls=12)
        archive.create_campaign("c", spec.model_dump_json())
        propose = archive.propose
        died: list[int] = []

        def dying(proposal: Any) -> None:
            if died or (proposal.number > 5 and proposal.proposer == "scripted-1"):
                died.append(proposal.number)
                raise ModelUnavailable("As if it were killed.")
            propose(proposal)

        archive.propose = dying  # type: ignore[method-assign]
        with pytest.raises(ModelUnavailable):
            run(spec, archive)
        known = {reply.prompt_hash for reply in replies(archive)}
        order = archive.letters.order("c", died[0])
        assert order is not None
        assert order.prompts[0].hash in known, "paid for, and not used yet"
        endpoint.asked.clear()
        archive.propose = propose  # type: ignore[method-assign]
        run(spec, archive)
        assert not {prompt.hash for prompt in endpoint.asked} & known


@pytest.mark.parametrize(("budget", "ending"), [({"money": 0.2}, Ending.MONEY), ({"tokens": 150_000}, Ending.TOKENS)])
def test_budgets_are_hard(budget: dict[str, Any], ending: Ending) -> None:
    archive = open_archive(None)
    with Endpoint(patient) as endpoint:
        spec = model_spec(endpoint.url, proposer={"max_tokens": 1000}, **budget)
        assert run(spec, archive) == ending
    spent = archive.letters.spent("c")
    assert spent.calls > 3
    used, limit = (spent.money, 0.2) if "money" in budget else (spent.tokens, 150_000)
    assert limit * 0.7 < used <= limit


@pytest.mark.parametrize(("budget", "ending"), [({"money": 0.5}, Ending.MONEY), ({"calls": 20}, Ending.CALLS)])
def test_calls_that_are_lost_are_spent_and_the_budget_still_holds(budget: dict[str, Any], ending: Ending) -> None:
    """Every other try gets no answer. What cannot be asked again within the budget has no program, and blames none."""
    archive = open_archive(None)
    tries = itertools.count()
    with Endpoint(lambda prompt, count: "!cut" if next(tries) % 2 else patient(prompt, count)) as endpoint:
        assert run(model_spec(endpoint.url, proposer={"max_tokens": 1000}, **budget), archive) == ending
    spent, limit = archive.letters.spent("c"), next(iter(budget.values()))
    lost = [sending for sending in archive.sendings.all("c") if sending.fate == "lost"]
    assert spent.calls == len(endpoint.answered) + len(lost) == len(endpoint.asked)
    assert limit * 0.7 < (spent.money if "money" in budget else spent.calls) <= limit
    for proposal in archive.proposals("c", 0):
        if proposal.note.startswith("Not answered"):
            assert archive.letters.order("c", proposal.number)
            assert (proposal.text, proposal.cost) == ("", 0)


def test_lessons_that_cannot_be_had_stop_nothing() -> None:
    archive = open_archive(None)
    with Endpoint(lambda prompt, count: "!500" if "write no program" in prompt.user else patient(prompt, count)) as endpoint:
        spec = model_spec(endpoint.url, proposals=24, proposer={"insights_every": 5, "retries": 1})
        assert run(spec, archive) == Ending.PROPOSALS
    assert "!500" in endpoint.faults
    assert archive.letters.last_reply("c", "insights", 1000) is None


def test_a_spent_budget_says_so() -> None:
    archive = open_archive(None)
    with Endpoint(patient) as endpoint:
        spec = model_spec(endpoint.url, calls=3)
        run(spec, archive)
        with pytest.raises(BudgetExhausted, match="3 calls"):
            run(spec, archive)


def test_an_endpoint_that_stays_down_pauses_and_costs_nothing() -> None:
    archive = open_archive(None)
    down = True
    with Endpoint(lambda prompt, count: "!500" if down else patient(prompt, count)) as endpoint:
        spec = model_spec(endpoint.url, proposer={"retries": 2}, calls=8)
        with pytest.raises(ModelUnavailable, match="failed 3 times, the last time with: status 500"):
            run(spec, archive)
        assert archive.events("c")[-1].kind == "paused"
        assert archive.letters.spent("c").calls == 0
        assert KEY not in archive.events("c")[-1].text
        down = False
        assert run(spec, archive) == Ending.CALLS
    assert not [why for why in archive.refusals("c") if "500" in why]


def test_a_refused_key_stops_at_once_and_is_not_shown() -> None:
    with Endpoint(lambda prompt, count: "!401") as endpoint, pytest.raises(ModelUnavailable) as caught:
        run(model_spec(endpoint.url, calls=8, lag=1), open_archive(None))
    assert "OPENAI_API_KEY" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(endpoint.asked) == 1


def test_models_and_mutation_share_the_work() -> None:
    archive = open_archive(None)
    with Endpoint(patient) as endpoint:
        spec = model_spec(endpoint.url, evaluations=40)
        mixed = spec.model_copy(
            update={"proposer": (spec.proposer[0], spec.proposer[0].model_copy(update={"kind": "mutation", "name": "m"}))}
        )
        run(mixed, archive)
    made = {row.proposer: row.proposed for row in archive.operators("c")}
    assert made.keys() >= {"scripted-1"}
    proposers = {order.proposer for number in range(archive.progress("c")[1]) if (order := archive.letters.order("c", number))}
    assert proposers - {"re-evaluation"} == {"reference", "scripted-1", "m"}


def test_insights_reach_the_prompts() -> None:
    archive = open_archive(None)
    with Endpoint(patient) as endpoint:
        run(model_spec(endpoint.url, calls=40, proposer={"insights_every": 8}), archive)
    orders = [archive.letters.order("c", number) for number in range(archive.progress("c")[0])]
    turns = [order.number for order in orders if order is not None and len(order.prompts) == 2]
    assert len(turns) >= 2
    assert all(later - earlier >= 8 for earlier, later in itertools.pairwise(turns))
    last = [order for order in orders if order is not None and order.prompts and order.operator != "repair"][-1]
    assert "Nothing works but patience." in last.prompts[0].user


def test_the_archive_holds_no_pickles(tmp_path: Path) -> None:
    with Endpoint(lambda prompt, count: good(prompt)) as endpoint:
        run(model_spec(endpoint.url, calls=2), open_archive(tmp_path / "a.sqlite"))
    rows = sqlite3.connect(tmp_path / "a.sqlite").execute("SELECT spec FROM campaigns").fetchall()
    assert json.loads(rows[0][0])["proposer"][0]["price"] == {"input": 1.0, "cached": 0.1, "output": 10.0}
