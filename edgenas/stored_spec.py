"""A spec that a run remembers as text and reads when it is first looked into.

A search over 100,000 trials asks most of them for no more than their name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgenas.arch.spec import ArchSpec
from edgenas.facts import stored


class StoredSpec(ArchSpec):
    """An `ArchSpec` whose text is read at the first look; from then on it is one by its class too."""

    def __init__(self, text: str, arch_id: str, space: str, folder: Path, trial_id: str) -> None:
        self.__dict__.update(_text=text, arch_id=arch_id, space=space, _folder=folder, _trial_id=trial_id)

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there yet."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.read(), name)

    def read(self) -> ArchSpec:
        """Itself, read.

        Raises:
            StoreError: The row of the trial holds what no version of edgenas wrote.
        """
        text, folder, trial_id = (self.__dict__[name] for name in ("_text", "_folder", "_trial_id"))
        with stored(folder, "trials", trial_id):
            found = ArchSpec.from_json(json.loads(text))
        for name in ("_text", "_folder", "_trial_id"):
            del self.__dict__[name]
        self.__dict__.update(found.__dict__)
        object.__setattr__(self, "__class__", ArchSpec)
        return self

    def __eq__(self, other: object) -> bool:
        """Equal to whatever the spec is equal to."""
        return self.read() == other

    def __repr__(self) -> str:
        return repr(self.read())

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled as the spec that it is."""
        return ArchSpec.from_json, (self.read().to_json(),)
