"""ProxyGuided: a training-free proxy chooses a search's first candidates, and screens later ones.

Before the search a pool of random networks within the budgets is scored, and the best of it by proxy and
costs (non-dominated sorting, Deb et al. 2002) are proposed first. Every network that is trained is scored
too, so the proxy's rank correlation with real results is known beside that of MACs. After `JUDGED` results
the proxy is switched off for good as soon as it ranks no better than MACs; as long as it stays on, the inner
searcher is asked for `DRAWN` candidates, and one that another beats in score and all costs is not trained.

Scores are kept in the store and are a function of the seed, the verdict is one of the results in their
order: a resumed search goes on as if it had not stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgenas.arch.spec import ArchSpec
from edgenas.errors import ConfigError, TrialError
from edgenas.oneshot.proxies import LAST, PROXIES, Probe, ProxyJob, read_scores
from edgenas.search.around import Around
from edgenas.search.pareto import greedy_order, ranks
from edgenas.search.problem import Candidate
from edgenas.search.ranking import Verdict
from edgenas.search.searcher import Observation, Searcher, SpaceExhaustedError

if TYPE_CHECKING:
    from edgenas.search.workshop import Workshop

POOL = 48
"""Random networks that are scored before the search."""

FIRST = 8
"""How many of them are proposed first."""

DRAWN = 4
"""Candidates of the inner searcher that are screened for one training."""

JUDGED = 12
"""Results after which a proxy has to rank better than MACs."""


def check_proxy(name: str) -> None:
    """Refuse a proxy that does not exist, or that is what all are compared with.

    Raises:
        UnknownNameError: There is none of that name.
        ConfigError: It is MACs.
    """
    PROXIES.get(name)
    if name == "macs":
        others = [other for other in PROXIES.names() if other != name]
        raise ConfigError(
            f"--proxy macs was given, which every proxy has to beat; expected one of {', '.join(others)}"
        )


class ProxyGuided(Around):
    """Lets a proxy choose the first candidates of an inner searcher, and screen the later ones.

    Args:
        inner: Proposes candidates and learns from results.
        proxy: Name of the proxy.

    Attributes:
        scores: Of all networks that were scored and kept, by name.
        verdict: What the proxy has been worth so far, or None while there are too few results.
        off_after: Results after which it was switched off, or None while it is on.
    """

    def __init__(self, inner: Searcher, proxy: str) -> None:
        super().__init__(inner)
        check_proxy(proxy)
        self.proxy = proxy
        self.scores: dict[str, float] = {}
        self.verdict: Verdict | None = None
        self.off_after: int | None = None
        self._judged = 0
        self._workshop: Workshop | None = None

    @property
    def has_parents(self) -> bool:  # type: ignore[override]
        """Whether the inner searcher has."""
        return self.inner.has_parents

    def prepare(self, workshop: Workshop) -> None:
        """Let the inner searcher prepare, then score the pool unless that was done before."""
        self.inner.prepare(workshop)
        self._workshop = workshop
        known = workshop.store.meta("proxy") or {}
        self.scores = dict(known.get("scores") or {})
        pool = self._pool()
        self._score([candidate.spec for candidate in pool])
        self.inner.first = [*self._best_of(pool), *self.inner.first]
        self._judge()
        self._keep()

    def _pool(self) -> list[Candidate]:
        """Random networks within the budgets, the same ones for one seed."""
        found: dict[str, Candidate] = {}
        for number in range(POOL):
            rng = np.random.default_rng([self.seed, number, 11])
            candidate = self.problem.descend(self.problem.space.sample(rng), rng)
            if not self.problem.violated(candidate.cost):
                found.setdefault(candidate.spec.arch_id, candidate)
        return list(found.values())

    def _points(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Score, lower is better, and costs of candidates, shape (n, objectives)."""
        rows = [(-self.scores[one.spec.arch_id], *self.problem.point(one, 0.0)[1:]) for one in candidates]
        return np.array(rows, dtype=float)

    def _best_of(self, pool: Sequence[Candidate]) -> list[ArchSpec]:
        """The front of score and costs, spread over it, then the front behind it."""
        if not pool:
            return []
        points = self._points(pool)
        layers, chosen = ranks(points), list[int]()
        for layer in range(int(layers.max()) + 1):
            members = np.flatnonzero(layers == layer)
            chosen += [int(members[place]) for place in greedy_order(points[members], FIRST - len(chosen))]
            if len(chosen) >= FIRST:
                break
        return [pool[place].spec for place in chosen]

    def ask(self) -> Candidate:
        """The inner searcher's next candidate: its first, an unscreened or a screened one.

        Raises:
            SpaceExhaustedError: Nothing new within the budgets can be found.
        """
        if self._workshop is None or self.off_after is not None:
            return self.inner.ask()
        if self.verdict is None or any(spec.arch_id not in self.inner.asked for spec in self.inner.first):
            candidate = self.inner.ask()
            self._score([candidate.spec])
        else:
            candidate = self._screened()
        self._keep()
        return candidate

    def _screened(self) -> Candidate:
        """The first of some candidates that no other one of them beats in score and costs."""
        drawn: list[Candidate] = []
        begun = len(self.inner.asked)
        for number in range(DRAWN):
            rng = np.random.default_rng([self.seed, begun, *([number] if number else [])])
            try:
                drawn.append(self.inner.draw(rng))
            except SpaceExhaustedError:
                if not drawn:
                    raise
                break
            self.inner.asked.add(drawn[-1].spec.arch_id)  # so that the next one is another
        self.inner.asked.difference_update(one.spec.arch_id for one in drawn)
        self._score([one.spec for one in drawn])
        chosen = drawn[int(np.flatnonzero(ranks(self._points(drawn)) == 0)[0])]
        self.inner.note_asked(chosen.spec)
        return chosen

    def tell(self, observation: Observation) -> None:
        """Take note of a result, and judge the proxy by it."""
        super().tell(observation)
        self.inner.tell(observation)
        if self._workshop is not None:
            self._judge()
            self._keep()

    def _judge(self) -> None:
        """Judge the proxy after each result that was told since, until it is off."""
        while self.off_after is None and self._judged < len(self.observations):
            self._judged += 1
            verdict = Verdict.of(self.observations[: self._judged], self.scores)
            if verdict.networks >= JUDGED:
                self.verdict = verdict
                if not verdict.beats_macs:
                    self.off_after = self._judged
                    self._log(verdict.words(self.proxy, off=True))

    def _log(self, words: str) -> None:
        assert self._workshop is not None
        with (self._workshop.store.folder / "training.log").open("a", encoding="utf-8") as log:
            log.write(f"edgenas: {words}\n")

    def _score(self, specs: Sequence[ArchSpec]) -> None:
        """Score networks that have no score yet."""
        fresh = [spec for spec in specs if spec.arch_id not in self.scores]
        if not fresh:
            return
        proxy = PROXIES.get(self.proxy)
        if proxy.needs_model:
            found = self._scored_elsewhere(fresh)
        else:
            nothing = np.zeros(0, np.float32)
            found = [proxy.score(Probe(spec, nothing, nothing)) for spec in fresh]
        self.scores |= {spec.arch_id: score for spec, score in zip(fresh, found, strict=True)}

    def _scored_elsewhere(self, specs: Sequence[ArchSpec]) -> list[float]:
        """Scores from a process with Keras; one that cannot be had, as for lack of memory, ranks last."""
        assert self._workshop is not None
        path = self._workshop.store.folder / "weights" / "proxy.npz"
        recipe = replace(self._workshop.recipe, seed=self.seed)
        whole = replace(specs[0], input_shape=self.problem.space.input_shape)
        job = ProxyJob(
            whole, recipe, path, task=self._workshop.dataset.task, specs=tuple(specs), proxies=(self.proxy,)
        )
        try:
            self._workshop.train(job)
            return [float(score) for score in read_scores(path)[:, 0]]
        except TrialError as error:
            if len(specs) == 1:
                self._log(f"no {self.proxy} of network {specs[0].arch_id}, which ranks last: {error}")
                return [LAST]
            return [score for spec in specs for score in self._scored_elsewhere([spec])]
        finally:
            path.unlink(missing_ok=True)

    def _keep(self) -> None:
        """Write down scores and what they are worth."""
        assert self._workshop is not None
        store = self._workshop.store
        document: dict[str, Any] = {
            "name": self.proxy,
            "scores": self.scores,
            "first": [spec.arch_id for spec in self.inner.first],
            "off_after": self.off_after,
            "verdict": Verdict.of(self.observations, self.scores).to_json(),
        }
        if document != (store.meta("proxy") or {}):
            store.set_meta(proxy=document)
