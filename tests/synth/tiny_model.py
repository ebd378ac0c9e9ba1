"""A language model of a million parameters that writes programs: made, taught for a minute on what mutation writes, and saved, here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from archive.records import Elite
from sandbox.randomness import numpy_stream
from sandbox.records import program_id
from sandbox.rules.references import reference_text
from synth.proposers.base import Context
from synth.proposers.mutation import MutationProposer

END = "<end>"
SHORT = ("reinforce", "a2c", "dqn")
GENERATIONS = 2
VOCABULARY = 2048
LENGTH = 320  # tokens
BATCH = 8
RATE = 3e-3


def mutated(count: int) -> list[str]:
    """Programs that mutation has written, each from a reference or from an earlier one, up to four generations down."""
    proposer = MutationProposer()
    texts = [reference_text(name) for name in SHORT]
    depth = dict.fromkeys(texts, 0)
    for number in range(count):
        stream = numpy_stream(0, "corpus", number)
        young = [text for text in texts if depth[text] < GENERATIONS]
        parent = young[int(stream.integers(len(young)))]
        text = proposer.propose(Context(number=number, parents=(_elite(parent),)), stream).text
        depth.setdefault(text, depth[parent] + 1)
        texts.append(text)
    return texts


def _elite(text: str) -> Elite:
    where = {"proposer": "mutation", "operator": "", "parents": (), "number": 0, "campaign": "c", "rung": 0}
    return Elite(id=program_id(text), title="", text=text, score=None, descriptor=None, **where)  # type: ignore[arg-type]


def reply_to(program: str) -> str:
    """As a model answers."""
    return f"```python\n{program}```\n{END}"


def make_tokenizer(texts: list[str], folder: Path) -> Any:
    """Byte pairs over whole texts, so that a frequent line is one token. Any text can be written in it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "merged_with_previous"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, special_tokens=[END], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)
    fast.save_pretrained(folder)
    return fast


def train(folder: Path, prompt: str, *, steps: int, programs: int = 1500) -> float:
    """Saves a model that answers `prompt` with a program; returns the last loss."""
    from transformers import GPT2Config, GPT2LMHeadModel

    texts = mutated(programs)
    tokenizer = make_tokenizer(texts, folder)
    rows = _rows(tokenizer, prompt, texts)
    torch.manual_seed(0)
    end = tokenizer.eos_token_id
    sizes = {"n_positions": 1024, "n_embd": 128, "n_layer": 2, "n_head": 4}
    dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    model: Any = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end, **sizes, **dropout))
    loss = _fit(model, rows, steps)
    model.save_pretrained(folder)
    return loss


def _rows(tokenizer: Any, prompt: str, texts: list[str]) -> torch.Tensor:
    """`[programs, LENGTH]`, -100 after the end."""
    rows = torch.full((len(texts), LENGTH), -100)
    for row, text in zip(rows, texts, strict=True):
        ids = tokenizer(prompt + reply_to(text))["input_ids"][:LENGTH]
        row[: len(ids)] = torch.tensor(ids)
    return rows


def _fit(model: Any, rows: torch.Tensor, steps: int) -> float:
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    stream = torch.Generator().manual_seed(0)
    loss = torch.tensor(0.0)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * max(0.05, 1 - step / steps)
        batch = rows[torch.randint(len(rows), (BATCH,), generator=stream)]
        batch = batch[:, : int((batch >= 0).sum(1).max())]
        loss = model(input_ids=batch.clamp(min=0), attention_mask=(batch >= 0).long(), labels=batch).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return float(loss.detach())
