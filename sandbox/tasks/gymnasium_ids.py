"""Gymnasium ids without torch: `CartPole-v1`, or `my_module:Heater-v0` from a module of the user's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from sandbox.errors import UsageError


def check_id(world: str) -> None:
    """UsageError with the nearest ids if none is called so. The user's own module is not imported: that would run the user's code."""
    module, _, env_id = world.rpartition(":")
    if module:
        if not env_id or not all(part.isidentifier() for part in module.split(".")):
            raise UsageError(f"{world!r} is not `module:id`.", "Write gymnasium:my_module:Heater-v0.")
        return
    check_registered(env_id)


def check_registered(env_id: str) -> None:
    """UsageError with the nearest ids if Gymnasium knows none of that name."""
    import gymnasium  # 0.2 s: only for those who name an id

    if env_id not in gymnasium.registry:
        near = get_close_matches(env_id, gymnasium.registry, n=3, cutoff=0.5)
        remedy = (
            f"Did you mean {', '.join(f'gymnasium:{known}' for known in near)}?"
            if near
            else "For a world of your own write gymnasium:my_module:Heater-v0."
        )
        raise UsageError(f"Gymnasium knows no id {env_id!r}.", remedy)


@contextmanager
def working_directory_importable() -> Iterator[None]:
    """Within it, modules in the working directory can be imported."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def import_users_module(module: str) -> None:
    """Imports the module that registers an id. UsageError says what went wrong in it."""
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0] and error.name != module:
            raise UsageError(f"The module {module!r} needs {error.name!r}, which is not installed.", "Install it.") from error
        raise UsageError(f"There is no module {module!r} in {Path.cwd()}.", "Run the command in the folder of the module.") from error
    except Exception as error:  # the user's code may raise anything, and it is the user who must hear of it
        raise UsageError(f"The module {module!r} raised {type(error).__name__}: {error}.", "Mend it, then try again.") from error
