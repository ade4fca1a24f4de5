"""Artifacts of each winner that is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgenas.data.dataset import Dataset
from edgenas.errors import EdgenasError, ParityError, UnsupportedError
from edgenas.export.schemes import SchemePlan
from edgenas.records import TrialRecord, WinnerRecord
from edgenas.search.handover import export_trial
from edgenas.search.listener import SearchListener
from edgenas.store import Store
from edgenas.winners.retrain import final_name
from edgenas.winners.seeds import test_each, together


def deliver(store: Store, dataset: Dataset, listener: SearchListener, plan: SchemePlan | None = None) -> None:
    """Compress, export, verify and test each winner that is left; those done before are left alone.

    Args:
        plan: Which schemes are tried on each; None for full int8 alone.

    Raises:
        EdgenasError: No winner has artifacts that do what its Keras model does.
    """
    for winner in store.winners():
        if winner.reason is not None or winner.manifest is not None:
            continue
        record = store.trial(winner.trial_id)
        folder = store.folder / "winners" / winner.trial_id
        listener.trial_began(record)
        reason = None
        try:
            manifest = export_trial(
                store, record, dataset, folder,
                final=True, training=_training(winner), with_test=True, plan=plan,
            )  # fmt: skip
            changes = _tested(store, record, dataset)
            store.update_winner(winner.trial_id, manifest=manifest.to_json(), **changes)
        except (ParityError, UnsupportedError) as error:
            reason = f"export failed: {error}"
            store.update_winner(winner.trial_id, reason=reason)
        listener.trial_ended(replace(record, result=None, reason=reason), 0)
    if not any(winner.manifest for winner in store.winners()):
        reasons = "; ".join(f"{winner.trial_id}: {winner.reason}" for winner in store.winners())
        raise EdgenasError(f"no winner could be exported ({reasons})")


def _training(winner: WinnerRecord) -> dict[str, Any]:
    """What the manifest says of the final training; validation only, as nothing was tested before."""
    return {"recipe": dict(winner.recipe or {}), "seeds": (winner.result or {}).get("seeds", [])}


def _tested(store: Store, record: TrialRecord, dataset: Dataset) -> dict[str, Any]:
    """The winner's result with the test accuracy of each seed, where there are several."""
    trainings = store.trainings.named(final_name(record.trial_id))
    if len(trainings) < 2:
        return {}
    return together(test_each(store, record, trainings, dataset))
