"""The client against a real server on the loopback: what passes is asked again, what does not is said at once; the key is never shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from archive.records import Fate, Prompt
from sandbox.errors import ModelUnavailable, OurFault
from synth.proposers import openai_endpoint
from synth.proposers.model import Question
from synth.proposers.openai_endpoint import LONGEST_WAIT
from synth.proposers.section import ProposerSection
from tests.synth import endpoint as server
from tests.synth.endpoint import KEY, Endpoint, completion

PASSING = ("!429", "!500", "!hang", "!drip", "!drop", "!cut", "!garbage", "!empty", "!null")


OPEN: list[openai_endpoint.Endpoint] = []


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield
    while OPEN:
        OPEN.pop().close()


def question(seed: int = 0) -> Question:
    return Question(number=0, turn=0, prompt=Prompt(operator="fresh", system="You invent.", user="Write."), seed=seed)


def client(url: str, waits: list[float] | None = None, **fields: Any) -> openai_endpoint.Endpoint:
    section = {"kind": "openai", "model": "m", "base_url": url, "timeout_seconds": 0.5, "retries": 4, "retry_seconds": 1.0, **fields}
    kept = [] if waits is None else waits
    OPEN.append(openai_endpoint.Endpoint(ProposerSection.model_validate(section), sleep=kept.append))
    return OPEN[-1]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_asked_again_and_the_tries_are_counted(fault: str) -> None:
    with Endpoint(lambda prompt, count: fault if count < 2 else "At last.") as endpoint:
        answer = client(endpoint.url)(question())
    assert (answer.text, answer.tries) == ("At last.", 3)
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize("fault", PASSING)
def test_what_never_passes_is_unavailable_with_exit_3_and_without_the_key(fault: str) -> None:
    with Endpoint(lambda prompt, count: fault) as endpoint, pytest.raises(ModelUnavailable, match="failed 2 times") as caught:
        client(endpoint.url, retries=1)(question())
    assert caught.value.exit_code == 3
    assert "lossmith resume" in caught.value.remedy
    assert KEY not in str(caught.value)


class Written:
    """A log that remembers."""

    def __init__(self) -> None:
        self.begun = 0
        self.fates: list[Fate] = []

    def begin(self) -> None:
        self.begun += 1

    def end(self, fate: Fate, why: str) -> None:
        assert KEY not in why
        self.fates.append(fate)


@pytest.mark.parametrize("fault", [*PASSING, "!401"])
def test_a_try_is_lost_unless_the_endpoint_refused_it(fault: str) -> None:
    log = Written()
    with Endpoint(lambda prompt, count: fault) as endpoint, pytest.raises(OurFault):
        client(endpoint.url, retries=1)(question(), log)
    assert log.fates == ["lost" if fault in server.LOSING else "refused"] * log.begun
    assert log.begun == len(endpoint.asked)


def test_a_try_that_never_reached_anybody_is_not_lost() -> None:
    log = Written()
    with pytest.raises(ModelUnavailable, match="no connection"):
        client("http://127.0.0.1:9/v1", retries=2)(question(), log)
    assert log.fates == ["refused"] * 3


def test_after_it_was_given_up_a_question_is_tried_once_until_there_is_an_answer_again() -> None:
    up = False
    with Endpoint(lambda prompt, count: "Yes." if up else "!500") as endpoint:
        ask = client(endpoint.url, retries=2)
        for asked, said in ((3, "failed 3 times"), (4, "failed once")):
            with pytest.raises(ModelUnavailable, match=said):
                ask(question())
            assert len(endpoint.asked) == asked
        up = True
        assert ask(question()).text == "Yes."
        up = False
        with pytest.raises(ModelUnavailable, match="failed 3 times"):
            ask(question())


def test_waits_double_with_jitter_and_never_grow_beyond_a_limit() -> None:
    waits: list[float] = []
    with Endpoint(lambda prompt, count: "!500") as endpoint:
        for seed in (1, 2):
            with pytest.raises(ModelUnavailable):
                client(endpoint.url, waits, retries=9)(question(seed))
    first, second = waits[:9], waits[9:]
    assert first != second, "calls that failed together do not come back together"
    for run in (first, second):
        for attempt, wait in enumerate(run):
            assert min(LONGEST_WAIT, 2**attempt) <= wait <= min(LONGEST_WAIT, 1.5 * 2**attempt)


def test_the_endpoint_says_how_long_to_wait() -> None:
    waits: list[float] = []
    with Endpoint(lambda prompt, count: "!429" if count == 0 else "Yes.") as endpoint:
        client(endpoint.url, waits)(question())
    assert len(waits) == 1
    assert 0.02 <= waits[0] <= 0.03


@pytest.mark.parametrize(
    ("fault", "said"),
    [("!401", "OPENAI_API_KEY"), ("!404", "proposer.model"), ("!400", "context_tokens")],
)
def test_what_does_not_pass_is_said_at_once(fault: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FAULTS", (*server.FAULTS, "!400"))  # a context overflow, to OpenAI's protocol
    with Endpoint(lambda prompt, count: fault) as endpoint, pytest.raises(ModelUnavailable) as caught:
        client(endpoint.url)(question())
    assert len(endpoint.asked) == 1
    assert said in caught.value.remedy
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "text", "cut"),
    [
        ({"message": {"content": "def loss("}, "finish_reason": "length"}, "def loss(", True),
        ({"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}, "I cannot.", False),
        ({"message": {"content": None}, "finish_reason": "content_filter"}, "", False),
    ],
)
def test_cut_refused_and_filtered_answers_are_answers(
    choice: dict[str, Any], text: str, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(prompt: Prompt, reply: str) -> dict[str, Any]:
        message = {"role": "assistant", **choice["message"]}
        return {**completion(prompt, reply), "choices": [{"index": 0, "finish_reason": choice["finish_reason"], "message": message}]}

    monkeypatch.setattr(server, "completion", odd)
    with Endpoint(lambda prompt, count: "x") as endpoint:
        answer = client(endpoint.url)(question())
    assert (answer.text, answer.cut) == (text, cut)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ModelUnavailable, match="no connection"):
        client("http://127.0.0.1:9/v1", retries=1)(question())


def test_a_server_that_trickles_bytes_for_ever_is_given_up_at_the_deadline() -> None:
    with Endpoint(lambda prompt, count: "!drip") as endpoint, pytest.raises(ModelUnavailable, match=r"no answer within 0\.3 seconds"):
        client(endpoint.url, timeout_seconds=0.3, retries=1)(question())
    assert len(endpoint.asked) == 2


def test_thirty_two_calls_are_under_way_at_once() -> None:
    """The server answers nobody before all have asked."""
    together = threading.Barrier(32, timeout=60)

    def wait_for_all(prompt: Prompt, count: int) -> str:
        together.wait()
        return "All here."

    with Endpoint(wait_for_all) as endpoint:
        ask = client(endpoint.url, timeout_seconds=60, concurrent=32, retries=0)
        with ThreadPoolExecutor(32) as threads:
            answers = list(threads.map(ask, [question(seed) for seed in range(32)]))
    assert {answer.text for answer in answers} == {"All here."}


def test_no_more_calls_at_a_time_than_the_section_allows() -> None:
    under_way, most = 0, 0
    counting = threading.Lock()

    def count_them(prompt: Prompt, count: int) -> str:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with counting:
            under_way -= 1
        return "Yes."

    with Endpoint(count_them) as endpoint, ThreadPoolExecutor(8) as threads:
        list(threads.map(client(endpoint.url, concurrent=3, timeout_seconds=30), [question(seed) for seed in range(24)]))
    assert most == 3


def test_tokens_are_the_endpoints_and_what_a_request_holds() -> None:
    with Endpoint(lambda prompt, count: "four") as endpoint:
        answer = client(endpoint.url, temperature=0.5, max_tokens=77, extra={"top_p": 0.9})(question())
    assert (answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) == (len("You invent.Write.") // 4, 2, 1)
    (body,) = endpoint.bodies
    assert {name: body[name] for name in ("model", "max_tokens", "temperature", "top_p")} == {
        "model": "m",
        "max_tokens": 77,
        "temperature": 0.5,
        "top_p": 0.9,
    }
