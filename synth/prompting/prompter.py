"""Writes a model's questions for one campaign, and knows what the answers can cost at the most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archive.base import Archive
from archive.records import Elite, Prompt, Spent
from synth.prompting.context import Briefer
from synth.prompting.render import Renderer, estimate
from synth.proposers.section import Price, ProposerSection
from synth.spec import CampaignSpec

OVERHEAD = 64  # tokens that a chat template puts around the messages
LESS = 0.75
FREE = Price(input=0, cached=0, output=0)


class ModelPrompter:
    """Implements `synth.proposers.base.Prompter`."""

    def __init__(self, spec: CampaignSpec, section: ProposerSection, archive: Archive) -> None:
        self._section = section
        self._archive = archive
        self._name = spec.campaign.name
        self._first = len(spec.references)
        self._briefer = Briefer(spec, archive)
        self._renderer = Renderer(Path(section.prompts) if section.prompts else None)

    def prompts(self, number: int, operator: str, parents: Sequence[Elite]) -> tuple[Prompt, ...]:
        """The program's prompt; and every `insights_every` proposals, as a second turn, the one for lessons."""
        prompts = [self.prompt(operator, parents)]
        if self._insights_due(number):
            prompts.append(self.prompt("insights", ()))
        return tuple(prompts)

    def prompt(self, operator: str, parents: Sequence[Elite]) -> Prompt:
        """One operator's, from the archive as it stands: shorter by a quarter for every prompt that the model could not read."""
        told = self._archive.progress(self._name)[1]
        too_long = self._archive.sendings.too_long(self._name, self._section.label, told)
        most = int(self._section.context_tokens * LESS**too_long)
        return self._renderer.render(operator, self._briefer.brief(parents), most, as_short_as_can_be=too_long > 0)

    def worst(self, prompts: Sequence[Prompt]) -> Spent:
        """See `worst_of`."""
        return worst_of(self._section, prompts)

    def fits(self, prompts: Sequence[Prompt]) -> bool:
        """See `Prompter.fits`."""
        return all(estimate(prompt) <= self._section.context_tokens for prompt in prompts)

    def _insights_due(self, number: int) -> bool:
        every = self._section.insights_every
        last = self._archive.letters.last_long_order(self._name)
        return every > 0 and number - (self._first if last is None else last) >= every


def worst_of(section: ProposerSection, prompts: Sequence[Prompt]) -> Spent:
    """The most that the answers can cost: a token is a byte at the least, and an answer has at most `max_tokens`."""
    price, output = section.price or FREE, section.max_tokens
    sizes = [len((prompt.system + prompt.user).encode()) + OVERHEAD for prompt in prompts]
    money = sum(price.cost(size, 0, output) for size in sizes)
    return Spent(money=money, tokens=sum(sizes) + output * len(sizes), calls=len(prompts))
