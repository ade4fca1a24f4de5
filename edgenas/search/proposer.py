"""A search method with everything around it: a proxy, inherited weights, successive halving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgenas.errors import ConfigError
from edgenas.search.fidelity import Ladder
from edgenas.search.guided import ProxyGuided, check_proxy
from edgenas.search.halving import SuccessiveHalving
from edgenas.search.inheriting import Inheriting, check_inherit, check_parents
from edgenas.search.kin import Kin
from edgenas.search.problem import Problem
from edgenas.search.searcher import Searcher
from edgenas.search.searchers import SEARCHERS
from edgenas.store import Store


@dataclass(frozen=True)
class Guidance:
    """What a search method is helped by.

    Attributes:
        proxy: Name of a training-free proxy, or None.
        inherit: Share of a full training that children with their parents' weights get, or None.
    """

    proxy: str | None = None
    inherit: float | None = None

    def check(
        self, searcher: str, halving: str | None, stop_curves: bool | None, hypermodel: Any = None
    ) -> None:
        """Refuse what does not go with a search method, its short trainings, or a user's build function.

        Raises:
            UnknownNameError: No such proxy.
            ConfigError: Something does not go together.
        """
        if hypermodel is not None and (given := " and ".join(self.to_json())):
            raise ConfigError(f"a build function was given with {given}; expected a SearchSpace for it")
        if self.proxy is not None:
            check_proxy(self.proxy)
        if self.inherit is not None:
            check_inherit(self.inherit, halving, stop_curves)
            check_parents(searcher)

    def to_json(self) -> dict[str, Any]:
        """What of it there is."""
        both = {"proxy": self.proxy, "inherit": self.inherit}
        return {name: value for name, value in both.items() if value}

    def proposer(
        self, searcher: str, problem: Problem, seed: int, store: Store, ladder: Ladder | None
    ) -> tuple[Searcher, Kin | None]:
        """The search method, wrapped, and what hands weights to children, where they inherit."""
        proposer: Searcher = SEARCHERS.get(searcher)(problem, seed)
        if self.proxy:
            proposer = ProxyGuided(proposer, self.proxy)
        if self.inherit:
            inheriting = Inheriting(proposer, self.inherit)
            return inheriting, Kin(store, inheriting)
        return (SuccessiveHalving(proposer, ladder.rungs) if ladder else proposer), None
