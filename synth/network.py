"""A meta-network by its name: as the baseline of a campaign, and wherever else a rule is named. Loads no torch.

A campaign freezes it by the hash of its file, so that the same spec means the same campaign wherever the file lies.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from archive.baseline import library
from sandbox.errors import PrerequisiteMissing, UsageError
from sandbox.records import LearnedRule, Record
from sandbox.rules.references import reference_names

DEFAULT_RATE: float = LearnedRule.model_fields["learning_rate"].default


class NetworkSection(Record):
    """Which meta-network the baseline is, and how agents train with it. Without a hash: the one that has the name now."""

    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    learning_rate: float | None = Field(None, ge=1e-5, le=1e-1)  # default: what its file recommends
    replay_ratio: float = Field(0.0, ge=0, le=64)  # replayed trajectories for every fresh one

    def frozen(self, name: str) -> NetworkSection:
        """The same with everything written out. Raises as `find_network`, and PrerequisiteMissing where the hash is another's."""
        path = find_network(name, self.sha256)
        rate = self.learning_rate or library.recommended_rate(path) or DEFAULT_RATE
        return self.model_copy(update={"sha256": library.digest(path), "learning_rate": rate})

    def rule(self, name: str, path: Path | None = None) -> LearnedRule:
        """The rule that a frozen section means, from a file that is here, or from none: enough to recall what was trained with it."""
        assert self.sha256, "frozen"
        assert self.learning_rate, "frozen"
        return LearnedRule(
            name=name,
            path=str(path.absolute()) if path else "",
            sha256=self.sha256,
            learning_rate=self.learning_rate,
            replay_ratio=self.replay_ratio,
        )


def is_network(name: str) -> bool:
    """Whether a rule of this name is no reference program, and so has to be a meta-network. Does not look whether there is one."""
    return name not in reference_names()


def find_network(name: str, sha256: str | None = None) -> Path:
    """The file of a named meta-network, or the path that `name` is; with a hash any file of the library that has it.

    UsageError for a name that nobody knows, PrerequisiteMissing for one that is known but not here.
    """
    if sha256 is None:
        return _named(name)
    known = library.names()
    files = [known.get(name), Path(name) if library.is_file_name(name) else None, *known.values()]
    for path in files:
        if path is not None and path.exists() and library.digest(path) == sha256:
            return path
    raise PrerequisiteMissing(
        f"The meta-network {name} of SHA-256 {sha256[:12]}…, which scores are measured against, is not on this machine.",
        "Bring its file and keep it with: lossmith baseline import FILE --name NAME.",
    )


def _named(name: str) -> Path:
    if name in library.names() or library.is_file_name(name) or name in library.FETCHABLE:
        return library.find(name)
    raise UsageError(
        f"{name!r} is neither a reference nor a meta-network.",
        f"The references are {', '.join(reference_names())}; the meta-networks {', '.join(library.names())} "
        "(`lossmith baseline import FILE` keeps one).",
    )


def learned_rule(name: str, learning_rate: float | None = None) -> LearnedRule:
    """A meta-network of that name as it is now, at a learning rate other than its own where one is given. Raises as `find_network`."""
    section = NetworkSection(learning_rate=learning_rate).frozen(name)
    return section.rule(name, find_network(name))
