"""Kin: hands parents' weights to trials, and keeps what inherited scores are corrected to."""

from __future__ import annotations

from edgenas.records import TrialRecord
from edgenas.search.calibration import Calibration
from edgenas.search.fidelity import Ladder
from edgenas.search.inheriting import Inheriting
from edgenas.store import Store
from edgenas.train.heritage import Heritage
from edgenas.train.recipe import Recipe


class Kin:
    """Between a store and the searcher that lets children inherit.

    Args:
        store: The run.
        searcher: Says who is trained both ways, and the calibration.
    """

    def __init__(self, store: Store, searcher: Inheriting) -> None:
        self._store = store
        self._searcher = searcher
        self._written: tuple[Calibration | None, int] = (None, -1)

    def inherit(self, record: TrialRecord, recipe: Recipe) -> tuple[TrialRecord, Recipe, Heritage | None]:
        """A child's short recipe and its parent's weights; a full training where these are gone.

        Returns:
            The record as it is now, the recipe, and the heritage or None.
        """
        assert record.parent is not None
        path = self._store.weights_path(record.parent)
        if not path.exists():
            self._store.kinship.disown(record.trial_id)
            return self._store.trial(record.trial_id), recipe, None
        parent = self._store.trial(record.parent)
        shorter = Ladder("epochs").training(record.spec, recipe, record.fidelity)[1]
        return record, shorter, Heritage(parent.spec, path)

    def calibrate(self) -> None:
        """Correct the scores of all children, if there is something new to correct or to correct by."""
        calibration = self._searcher.calibration
        if calibration is None:
            return
        children = [
            trial
            for trial in self._store.outcomes()
            if trial.parent
            and trial.status == "completed"
            and trial.spec.arch_id not in self._searcher.paired
        ]
        if self._written == (calibration, len(children)):
            return
        self._written = (calibration, len(children))
        errors = [(trial.trial_id, trial.measured_error) for trial in children]
        corrected = {name: calibration.corrected(error) for name, error in errors if error is not None}
        self._store.kinship.calibrate(corrected)
        self._store.set_meta(inheritance=calibration.to_json())
