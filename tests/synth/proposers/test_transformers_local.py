"""A tiny random model with a byte-level tokenizer, made and saved here, loaded and run for real."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from archive.records import Prompt
from archive.store import open_archive
from sandbox.errors import PrerequisiteMissing, UsageError
from synth.budget import Ending
from synth.proposers.model import Question
from synth.proposers.section import ProposerSection
from synth.proposers.transformers_local import LocalModel, _Asked, _samplers
from tests.synth.models import model_spec, run

CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("tiny")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate([*letters, "<end>"])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(path)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=257, n_positions=512, n_embd=32, n_layer=2, n_head=2, bos_token_id=256, eos_token_id=256)
    GPT2LMHeadModel(config).save_pretrained(path)
    return path


def section(folder: Path, **fields: Any) -> ProposerSection:
    return ProposerSection(kind="transformers", model=str(folder), **{"max_tokens": 24, **fields})


def question(seed: int = 0, user: str = "Write.") -> Question:
    return Question(number=0, turn=0, prompt=Prompt(operator="fresh", system="You invent.", user=user), seed=seed)


def test_an_answer_depends_on_its_seed_alone(folder: Path) -> None:
    model = LocalModel(section(folder))
    before = torch.random.get_rng_state()
    first, other = model(question(1)), model(question(2))
    torch.manual_seed(99)
    assert model(question(1)) == LocalModel(section(folder))(question(1)) == first
    assert first.text != other.text
    torch.random.set_rng_state(before)
    model(question(3))
    assert torch.equal(torch.random.get_rng_state(), before), "the process's own stream is untouched"


def test_tokens_are_counted(folder: Path) -> None:
    answer = LocalModel(section(folder))(question())
    assert answer.prompt_tokens == len("You invent.\n\nWrite.\n\n")
    assert (answer.completion_tokens, answer.cut) == (24, True)
    assert len(answer.text) > 0


def test_a_chat_template_is_used(folder: Path) -> None:
    model = LocalModel(section(folder))
    model(question())
    assert model._loaded is not None
    model._loaded[0].chat_template = CHAT
    assert model(question()).prompt_tokens == len("<system>You invent.<user>Write.<assistant>")


def test_answers_that_are_written_together_are_those_that_are_written_alone(folder: Path) -> None:
    alone, together = LocalModel(section(folder)), LocalModel(section(folder, batch=4))
    questions = [question(seed, user="Write." * (1 + seed % 3)) for seed in range(6)]
    expected = [alone(each) for each in questions]
    sizes: list[int] = []
    generate = together._generate

    def slowly(tokenizer: Any, model: Any, fitting: Any) -> Any:
        if not sizes:
            wait_until(lambda: len(together._waiting) == 5)
        sizes.append(len(fitting))
        return generate(tokenizer, model, fitting)

    together._generate = slowly  # type: ignore[method-assign]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(together, questions))
    assert sizes == [1, 4, 1]
    assert [answer.text for answer in found] == [answer.text for answer in expected]
    assert found == expected


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.001)


def test_one_question_that_does_not_fit_is_the_only_one_that_fails(folder: Path) -> None:
    model = LocalModel(section(folder, batch=2))
    asked = [_Asked(question(user="x" * 600), Future()), _Asked(question(3), Future())]
    model._serve(asked)
    with pytest.raises(UsageError):
        asked[0].answer.result()
    assert asked[1].answer.result() == LocalModel(section(folder))(question(3))


def test_sampling_follows_the_model(folder: Path) -> None:
    """Gumbel's noise over known scores gives the softmax, cut to the best where the model says so."""
    config = GenerationConfig(top_k=3)
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.2, 0.0001]])).expand(4000, -1).contiguous()
    processors = _samplers(config, section(folder, temperature=1.0), range(4000))
    drawn = processors(torch.zeros(4000, 1, dtype=torch.long), scores).argmax(1)
    assert (torch.bincount(drawn, minlength=4) / 4000).tolist() == pytest.approx([0.5, 0.3, 0.2, 0.0], abs=0.03)


def test_an_answer_ends_at_its_end(folder: Path) -> None:
    model = LocalModel(section(folder))
    model(question())
    assert model._loaded is not None
    answer = model._read(*model._loaded, [40, 41, 256, 42, 43], 5)
    assert (answer.completion_tokens, answer.cut, len(answer.text)) == (3, False, 2)


def test_no_temperature_is_the_likeliest_answer(folder: Path) -> None:
    model = LocalModel(section(folder, temperature=0.0))
    assert model(question(1)) == model(question(2))


def test_a_prompt_that_is_too_long_says_so(folder: Path) -> None:
    with pytest.raises(UsageError, match="reads and writes 512 tokens; the prompt has 6"):
        LocalModel(section(folder))(question(user="x" * 600))


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteMissing, match="cannot be loaded on cpu"):
        LocalModel(section(tmp_path / "none"))(question())


def test_a_device_that_is_not_there(folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(PrerequisiteMissing, match="cannot be loaded on cuda"):
        LocalModel(section(folder, device="cuda"))(question())


def test_a_campaign_of_noise_counts_no_programs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "system.md.j2").write_text("Write.")
    (tmp_path / "fresh.md.j2").write_text("{{ briefing.campaign }}")
    own = {"kind": "transformers", "model": str(folder), "prompts": str(tmp_path), "operators": ["fresh"], "max_tokens": 16}
    archive = open_archive(None)
    assert run(model_spec("http://unused/v1", calls=4, proposer={**own, "price": None}), archive) == Ending.CALLS
    assert archive.refusals("c") == {"parse: no-program": 4}
    assert archive.letters.spent("c").money == 0
    assert archive.letters.spent("c").tokens == 4 * (len("Write.\n\n\nc\n\n\n") + 16)
