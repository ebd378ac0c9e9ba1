"""One proposer as the spec describes it. Needs no model library."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from sandbox.errors import UsageError
from sandbox.records import Record

OPENAI: Final = "https://api.openai.com/v1"
PRICES: Final = Path(__file__).parent.parent / "prices.toml"
OPERATORS: Final = ("refine", "crossover", "fresh", "challenge", "simplify")
"""Of a model: the prompts among which its work is divided."""


class Price(Record):
    """US dollars for a million tokens."""

    input: float = Field(ge=0)
    cached: float = Field(ge=0)  # of the prompt, where the endpoint had seen it
    output: float = Field(ge=0)

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        """US dollars of one call."""
        fresh = prompt_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * self.cached + completion_tokens * self.output) / 1e6


class ProposerSection(Record):
    """Who writes programs: `[proposer]`, or one `[[proposer]]` of several that share the work."""

    kind: Literal["mutation", "openai", "transformers", "replay"] = "mutation"
    name: str = Field("", pattern=r"^[A-Za-z0-9._/-]{0,64}$")  # in the archive and in `status`; default: the model's last part
    model: str = ""  # the endpoint's name of it; a local folder or a hub id
    operators: tuple[Literal["refine", "crossover", "fresh", "challenge", "simplify"], ...] = Field(OPERATORS, min_length=1)
    context_tokens: int = Field(16_000, ge=1_000)  # of a prompt, estimated
    max_tokens: int = Field(8_192, ge=16)  # of an answer, thinking included
    temperature: float | None = Field(None, ge=0, le=2)  # default: the endpoint's; 1 for a local model
    insights_every: int = Field(25, ge=0)  # proposals between two lists of lessons; 0: none
    prompts: str = ""  # a folder of templates instead of ours
    prices: str = ""  # a TOML file beside ours
    price: Price | None = None  # default: from the tables, when the campaign is created
    # an endpoint's
    base_url: str = OPENAI
    timeout_seconds: float = Field(300.0, gt=0)  # of one call, from its first byte to its last
    retries: int = Field(5, ge=0, le=100)  # after 429, 5xx, a lost connection
    retry_seconds: float = Field(1.0, gt=0)  # before the first retry; doubles; the endpoint's Retry-After comes first
    concurrent: int = Field(8, ge=1)  # calls at a time
    extra: dict[str, Any] = Field(default_factory=dict)  # more fields of the request, such as {reasoning_effort = "low"}
    # a local model's
    device: str = "cpu"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch: int = Field(1, ge=1, le=256)  # answers written at a time; with more than one, rounding may depend on which come together
    # a recording's
    archive: str = ""
    campaign: str = ""  # in that archive; default: the one of the same name, else the newest

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind in {"openai", "transformers"} and not self.model:
            raise ValueError(f"kind {self.kind!r} needs `model`: the name of a model")
        if self.kind == "replay" and not self.archive:
            raise ValueError("kind 'replay' needs `archive`: the file that holds the recorded replies")
        place = urlsplit(self.base_url)
        if place.scheme not in {"http", "https"} or not place.hostname:
            raise ValueError(f"base_url {self.base_url!r} is no address such as http://localhost:8000/v1")
        if place.username or place.password or place.query:
            raise ValueError("base_url holds a secret: put the key into the environment as OPENAI_API_KEY instead")
        if any("key" in field.lower() or "auth" in field.lower() for field in self.extra):
            raise ValueError("extra seems to hold a secret: put the key into the environment as OPENAI_API_KEY instead")
        return self

    @property
    def label(self) -> str:
        """Its name in the archive."""
        return self.name or self.model.rstrip("/").rpartition("/")[2] or self.kind

    @property
    def asks_a_model(self) -> bool:
        """Whether it has prompts, tokens and a price."""
        return self.kind != "mutation"

    def priced(self) -> ProposerSection:
        """The same with the price written out, if one is known. A local model costs no money."""
        if self.price is not None or not self.asks_a_model:
            return self
        known = Price(input=0, cached=0, output=0) if self.kind == "transformers" else prices(self.prices).get(self.model)
        return self.model_copy(update={"price": known})


def prices(own: str = "") -> dict[str, Price]:
    """The table that ships with Lossmith, with a file of the user's over it. UsageError says what is wrong with the file."""
    table: dict[str, Price] = {}
    for path in (PRICES, *([Path(own)] if own else [])):
        try:
            table.update(TypeAdapter(dict[str, Price]).validate_python(tomllib.loads(path.read_text(encoding="utf-8"))))
        except OSError as error:
            raise UsageError(f"Cannot read the prices {path}: {error.strerror}.", f"Write them like {PRICES}.") from error
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise UsageError(f"{path} is no table of prices: {str(error).splitlines()[0]}.", f"Write them like {PRICES}.") from error
    return table
