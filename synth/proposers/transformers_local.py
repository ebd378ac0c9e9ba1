"""A model on this machine: weights from a folder or from the hub, run by transformers in the command's own process.

The weights and the tokenizer are trusted; code that comes with them is not run. Up to `proposer.batch` answers are written at a time:
whoever comes first takes along who waits. Every answer is sampled from a stream of its own, with Gumbel's noise (argmax_i (l_i + g_i) with
g = -log Exp(1) is a draw from softmax(l)), so it does not depend on who is beside it, but for how a device rounds batches of other sizes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from sandbox.errors import LossmithError, ModelUnavailable, PrerequisiteMissing, UsageError
from synth.proposers.model import UNRECORDED, Answer, Log, Question
from synth.proposers.section import ProposerSection
from synth.quoting import one_line


class _Asked(NamedTuple):
    question: Question
    answer: Future[Answer]


class LocalModel:
    """Callable as `synth.proposers.model.Ask`. Loads on the first question; PrerequisiteMissing where it cannot."""

    def __init__(self, section: ProposerSection) -> None:
        self._section = section
        self._turn = threading.Lock()
        self._waiting: list[_Asked] = []
        self._loaded: tuple[Any, Any] | None = None

    def __call__(self, question: Question, log: Log = UNRECORDED) -> Answer:
        """One answer. The same question gives the same answer on the same machine: all sampling comes from its seed."""
        mine = _Asked(question, Future())
        self._waiting.append(mine)
        with self._turn:
            while not mine.answer.done():
                together = self._waiting[: self._section.batch]
                del self._waiting[: self._section.batch]
                self._serve(together)
        return mine.answer.result()

    def _serve(self, together: Sequence[_Asked]) -> None:
        try:
            self._loaded = self._loaded or self._load()
            self._answer(*self._loaded, together)
        except BaseException as error:
            for asked in together:
                if not asked.answer.done():
                    asked.answer.set_exception(error)
            if not isinstance(error, LossmithError):
                raise

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        section = self._section
        try:
            tokenizer = AutoTokenizer.from_pretrained(section.model, trust_remote_code=False)
            model: Any = AutoModelForCausalLM.from_pretrained(section.model, dtype=section.dtype, trust_remote_code=False)
            return tokenizer, model.to(section.device).eval()
        except (OSError, ValueError, ImportError, RuntimeError, AssertionError) as error:
            raise PrerequisiteMissing(
                f"The model {section.model} cannot be loaded on {section.device}: {one_line(str(error))}",
                "Name a folder that `save_pretrained` wrote, or a model of the hub that this machine can reach and hold.",
            ) from error

    def _answer(self, tokenizer: Any, model: Any, together: Sequence[_Asked]) -> None:
        fitting: list[tuple[_Asked, list[int]]] = []
        for asked in together:
            text = _prompt(tokenizer, asked.question)
            ids: list[int] = tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"]
            trouble = self._too_long(model, len(ids))
            if trouble is None:
                fitting.append((asked, ids))
            else:
                asked.answer.set_exception(trouble)
        rows = self._generate(tokenizer, model, fitting) if fitting else []
        for (asked, ids), row in zip(fitting, rows, strict=True):
            asked.answer.set_result(self._read(tokenizer, model, row, len(ids)))

    def _generate(self, tokenizer: Any, model: Any, fitting: Sequence[tuple[_Asked, list[int]]]) -> list[list[int]]:
        """The new tokens of each, `max_tokens` at the most; after an end there may be anything. Prompts are padded on their left."""
        import torch

        section, longest = self._section, max(len(ids) for _, ids in fitting)
        padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        ids = torch.tensor([[padding] * (longest - len(row)) + row for _, row in fitting], device=section.device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for _, row in fitting], device=section.device)
        seeds = [asked.question.seed for asked, _ in fitting]
        plain = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50}  # what the sampler does already, at its defaults
        with torch.inference_mode():
            try:
                output = model.generate(
                    ids,
                    attention_mask=mask,
                    max_new_tokens=section.max_tokens,
                    pad_token_id=padding,
                    logits_processor=_samplers(model.generation_config, section, seeds),
                    **plain,
                )
            except torch.OutOfMemoryError as error:
                remedy = "Lower proposer.batch, proposer.context_tokens or proposer.max_tokens."
                raise ModelUnavailable("The model ran out of memory.", remedy) from error
        rows: list[list[int]] = output[:, longest:].tolist()
        return rows

    def _read(self, tokenizer: Any, model: Any, row: list[int], prompt_tokens: int) -> Answer:
        ends = model.generation_config.eos_token_id
        ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}
        length = next((place + 1 for place, token in enumerate(row) if token in ends), None)
        answer = row if length is None else row[:length]
        text = tokenizer.decode(answer, skip_special_tokens=True)
        return Answer(text=text, model=self._section.model, prompt_tokens=prompt_tokens, completion_tokens=len(answer), cut=length is None)

    def _too_long(self, model: Any, prompt_tokens: int) -> UsageError | None:
        most = getattr(model.config, "max_position_embeddings", None)
        if most is None or prompt_tokens + self._section.max_tokens <= most:
            return None
        return UsageError(
            f"The model {self._section.model} reads and writes {most} tokens; the prompt has {prompt_tokens}.",
            "Lower proposer.context_tokens or proposer.max_tokens.",
        )


def _samplers(config: Any, section: ProposerSection, seeds: Sequence[int]) -> Any:
    """The spec's temperature, what the model's own settings cut off, and each row's noise; nothing at a temperature of 0."""
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    temperature = 1.0 if section.temperature is None else section.temperature
    if temperature == 0:
        return LogitsProcessorList()
    steps: list[Any] = [TemperatureLogitsWarper(float(temperature))]
    if config.top_k:
        steps.append(TopKLogitsWarper(config.top_k))
    if config.top_p is not None and config.top_p < 1:
        steps.append(TopPLogitsWarper(config.top_p))
    return LogitsProcessorList([*steps, _noise(section.device, seeds)])


def _noise(device: str, seeds: Sequence[int]) -> Any:
    """Adds Gumbel's noise to the scores `[rows, words]`, each row's from its own stream."""
    import torch

    streams = [torch.Generator(device=device).manual_seed(seed) for seed in seeds]

    def add(_ids: Any, scores: Any) -> Any:
        draws = [torch.empty_like(row).exponential_(generator=stream) for row, stream in zip(scores, streams, strict=True)]
        return scores - torch.log(torch.stack(draws))

    return add


def _prompt(tokenizer: Any, question: Question) -> str:
    """The chat as the model was taught to read it, or one text after the other where it was not."""
    prompt = question.prompt
    if not tokenizer.chat_template:
        return f"{prompt.system}\n\n{prompt.user}\n\n"
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
