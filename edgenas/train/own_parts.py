"""A user's own blocks, layers and augmentations, so that the training process knows them as the search does.

They are registered where the user's script or module runs. The training process never runs that script, so
what does not come from edgenas itself travels with each job: by value from a script, by the module's name
from a module (`cloudpickle`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgenas.arch.blocks import BLOCKS, BlockFunction
from edgenas.build.builder import EMITTERS, Emitter
from edgenas.train.augment import AUGMENTATIONS, Augmentation


@dataclass(frozen=True)
class OwnParts:
    """What a user added to the registers, by name.

    Attributes:
        blocks: Of `edgenas.arch.blocks.BLOCKS`.
        emitters: Of `edgenas.build.builder.EMITTERS`.
        augmentations: Of `edgenas.train.augment.AUGMENTATIONS`.
    """

    blocks: Mapping[str, BlockFunction] = field(default_factory=dict)
    emitters: Mapping[str, Emitter] = field(default_factory=dict)
    augmentations: Mapping[str, Augmentation] = field(default_factory=dict)

    def register(self) -> None:
        """Add them to the registers of this process, as far as they are not there."""
        BLOCKS.update(self.blocks)
        EMITTERS.update(self.emitters)
        for name in self.augmentations.keys() - set(AUGMENTATIONS.names()):
            AUGMENTATIONS.register(name)(self.augmentations[name])


NO_PARTS = OwnParts()


def own_parts() -> OwnParts:
    """What stands in the registers of this process and does not come from edgenas."""
    augmentations = {name: AUGMENTATIONS.get(name) for name in AUGMENTATIONS.names()}
    return OwnParts(
        {kind: block for kind, block in BLOCKS.items() if _is_own(block)},
        {kind: emitter for kind, emitter in EMITTERS.items() if _is_own(emitter)},
        {name: entry for name, entry in augmentations.items() if _is_own(entry.apply)},
    )


def _is_own(function: object) -> bool:
    """Whether a function was written outside of edgenas."""
    module = getattr(function, "__module__", None) or ""
    return module != "edgenas" and not module.startswith("edgenas.")
