"""A search method with everything around it: a proxy, inherited weights, successive halving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgenas.distribute import Executor, LocalExecutor
from edgenas.errors import ConfigError
from edgenas.search.fidelity import Ladder
from edgenas.search.guided import ProxyGuided, check_proxy
from edgenas.search.halving import SuccessiveHalving
from edgenas.search.inheriting import Inheriting, check_inherit, check_parents
from edgenas.search.kin import Kin
from edgenas.search.problem import Problem
from edgenas.search.searcher import Searcher
from edgenas.search.searchers import SEARCHERS
from edgenas.search.supernet import OnSupernet, refuse_beside, with_supernet
from edgenas.search.supernet_plan import SCORE, SupernetPlan
from edgenas.store import Store


@dataclass(frozen=True)
class Guidance:
    """What a search method is helped by.

    Attributes:
        proxy: Name of a training-free proxy, or None.
        inherit: Share of a full training that children with their parents' weights get, or None.
        supernet: Where a supernet comes from that scores candidates, or None for the method's own way.
    """

    proxy: str | None = None
    inherit: float | None = None
    supernet: SupernetPlan | None = None

    def check(
        self, searcher: str, halving: str | None, stop_curves: bool | None, hypermodel: Any = None,
        executor: type[Executor] = LocalExecutor,
    ) -> None:  # fmt: skip
        """Refuse what does not go with a search method, short trainings, a build function, or an executor.

        Raises:
            UnknownNameError: No such proxy.
            ConfigError: Something does not go together.
        """
        if hypermodel is not None and (given := " and ".join(self.to_json())):
            raise ConfigError(f"a build function was given with {given}; expected a SearchSpace for it")
        trained = {"halving": halving, "stop_curves": stop_curves, **self.to_json()}
        refuse_beside(SEARCHERS.get(searcher), self.supernet, trained)
        if self.proxy is not None:
            check_proxy(self.proxy)
        if self.inherit is not None:
            check_inherit(self.inherit, halving, stop_curves)
            if not issubclass(executor, LocalExecutor):
                raise ConfigError(
                    "--inherit was given with an executor on other machines, which do not have the parents' "
                    "weights; leave it out or search with --executor local"
                )
            check_parents(searcher)

    def to_json(self) -> dict[str, Any]:
        """What of it there is."""
        both = {"proxy": self.proxy, "inherit": self.inherit}
        return {name: value for name, value in both.items() if value}

    def fidelity(self, searcher: Searcher, ladder: Ladder | None, stop_curves: bool) -> dict[str, Any]:
        """What tells how candidates are judged: results of other ways must not stand in one folder."""
        found = {"halving": ladder.knob if ladder else None, "stop": stop_curves, **self.to_json()}
        return {**found, "supernet": SCORE} if isinstance(searcher, OnSupernet) else found

    @staticmethod
    def refuse_callbacks(searcher: Searcher, callbacks: Sequence[Any]) -> None:
        """Refuse callbacks of trainings that a search does not have.

        Raises:
            ConfigError: A supernet scores its candidates.
        """
        if callbacks and isinstance(searcher, OnSupernet):
            raise ConfigError(
                "callbacks were given for a search that a supernet scores; no candidate is trained in it: "
                "leave them out"
            )

    def proposer(
        self, searcher: str, problem: Problem, seed: int, store: Store, ladder: Ladder | None
    ) -> tuple[Searcher, Kin | None]:
        """The search method, wrapped, and what hands weights to children, where they inherit."""
        proposer = with_supernet(SEARCHERS.get(searcher), problem, seed, self.supernet)
        if isinstance(proposer, OnSupernet):
            proposer.recall(store)
        if self.proxy:
            proposer = ProxyGuided(proposer, self.proxy)
        if self.inherit:
            inheriting = Inheriting(proposer, self.inherit)
            return inheriting, Kin(store, inheriting)
        return (SuccessiveHalving(proposer, ladder.rungs) if ladder else proposer), None
