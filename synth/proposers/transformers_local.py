"""A model on this machine: weights from a folder or from the hub, run by transformers in the command's own process.

The weights and the tokenizer are trusted; code that comes with them is not run. One answer is written at a time.
"""

from __future__ import annotations

import threading
from typing import Any

from sandbox.errors import ModelUnavailable, PrerequisiteMissing, UsageError
from synth.proposers.model import Answer, Question
from synth.proposers.section import ProposerSection
from synth.quoting import one_line


class LocalModel:
    """Callable as `synth.proposers.model.Ask`. Loads on the first question; PrerequisiteMissing where it cannot."""

    def __init__(self, section: ProposerSection) -> None:
        self._section = section
        self._turn = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def __call__(self, question: Question) -> Answer:
        """One answer. The same question gives the same answer on the same machine: all sampling comes from its seed."""
        with self._turn:
            if self._loaded is None:
                self._loaded = self._load()
            return self._generate(*self._loaded, question)

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

    def _generate(self, tokenizer: Any, model: Any, question: Question) -> Answer:
        import torch

        section = self._section
        inputs = tokenizer(_prompt(tokenizer, question), return_tensors="pt", add_special_tokens=not tokenizer.chat_template)
        ids, mask = inputs["input_ids"].to(section.device), inputs["attention_mask"].to(section.device)
        self._check_length(model, ids.shape[1])
        device = torch.device(section.device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.inference_mode():
            torch.manual_seed(question.seed)  # generate() draws from the global stream: inside the fork, nobody else does
            try:
                output = model.generate(ids, attention_mask=mask, **self._sampling(tokenizer))
            except torch.OutOfMemoryError as error:
                raise ModelUnavailable("The model ran out of memory.", "Lower proposer.context_tokens or proposer.max_tokens.") from error
        answer = output[0, ids.shape[1] :]
        ended = len(answer) < section.max_tokens
        text = tokenizer.decode(answer, skip_special_tokens=True)
        return Answer(text=text, model=section.model, prompt_tokens=ids.shape[1], completion_tokens=len(answer), cut=not ended)

    def _sampling(self, tokenizer: Any) -> dict[str, Any]:
        temperature = 1.0 if self._section.temperature is None else self._section.temperature
        padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        how = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        return {"max_new_tokens": self._section.max_tokens, "pad_token_id": padding, **how}

    def _check_length(self, model: Any, prompt_tokens: int) -> None:
        most = getattr(model.config, "max_position_embeddings", None)
        if most is not None and prompt_tokens + self._section.max_tokens > most:
            raise UsageError(
                f"The model {self._section.model} reads and writes {most} tokens; the prompt has {prompt_tokens}.",
                "Lower proposer.context_tokens or proposer.max_tokens.",
            )


def _prompt(tokenizer: Any, question: Question) -> str:
    """The chat as the model was taught to read it, or one text after the other where it was not."""
    prompt = question.prompt
    if not tokenizer.chat_template:
        return f"{prompt.system}\n\n{prompt.user}\n\n"
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
