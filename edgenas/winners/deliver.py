"""Artifacts of each winner that is left."""

from __future__ import annotations

from dataclasses import replace

from edgenas.data.dataset import Dataset
from edgenas.errors import EdgenasError, ParityError, UnsupportedError
from edgenas.export.schemes import SchemePlan
from edgenas.search.handover import export_trial
from edgenas.search.listener import SearchListener
from edgenas.store import Store


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
            manifest = export_trial(store, record, dataset, folder, final=True, with_test=True, plan=plan)
            store.update_winner(winner.trial_id, manifest=manifest.to_json())
        except (ParityError, UnsupportedError) as error:
            reason = f"export failed: {error}"
            store.update_winner(winner.trial_id, reason=reason)
        listener.trial_ended(replace(record, result=None, reason=reason), 0)
    if not any(winner.manifest for winner in store.winners()):
        reasons = "; ".join(f"{winner.trial_id}: {winner.reason}" for winner in store.winners())
        raise EdgenasError(f"no winner could be exported ({reasons})")
