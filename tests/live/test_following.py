"""What a follower knows after reading in steps is what the store holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgenas.errors import StoreError
from edgenas.live.following import Follower
from edgenas.live.standing import duration_words, log_tail, plain, standing
from edgenas.records import WinnerRecord
from edgenas.report.run import read_run
from edgenas.store import Store
from tests.report.made_up import DESCRIPTION, choose_winners, fill


def same(follower: Follower, store: Store) -> None:
    """Compare with what the report reads at once."""
    run = read_run(store)
    ids = follower.trials.ids
    assert ids == [trial.trial_id for trial in run.trials]
    assert [ids[row] for row in follower.trained] == [trial.trial_id for trial in run.trained]
    assert [ids[row] for row in follower.front()] == [trial.trial_id for trial in run.front]
    for metric in ("macs", "latency_ms"):
        expected = [trial.trial_id for trial in run.front_of([metric])]
        assert [ids[row] for row in follower.front([metric])] == expected
    for row, trial in enumerate(run.trials):
        assert follower.trials.status_of(row) == trial.status
        assert follower.trials.reasons.get(row) == trial.reason
        if trial.result:
            assert follower.trials.error[row] == pytest.approx(trial.val_error)
        assert follower.cost("flash_bytes")[row] == trial.cost.flash_bytes


def test_reading_in_steps_comes_to_the_same_as_reading_at_once(going: Store) -> None:
    with Follower(going.folder) as follower:
        assert follower.refresh() and not follower.refresh()
        same(follower, going)
        version = follower.version
        first = going.trials()[0]
        assert first.result
        going.finish_trial("0007", {}, {**first.result, "val_accuracy": 0.999})
        for number in range(8, 12):
            going.begin_trial(f"{number:04d}", first.spec, first.cost)
        going.fail_trial("0010", "it broke")
        going.finish_trial("0009", {}, {**first.result, "val_accuracy": 0.1})
        assert follower.refresh() and follower.version > version
        same(follower, going)
        assert follower.trials.ids[follower.front()[-1]] == "0007"


def test_trials_of_a_higher_fidelity_put_the_others_out_of_the_comparison(going: Store) -> None:
    first = going.trials()[0]
    with Follower(going.folder) as follower:
        follower.refresh()
        going.begin_trial("0008", first.spec, first.cost, fidelity=2.0)
        going.finish_trial("0008", {}, first.result or {})
        follower.refresh()
        same(follower, going)
        assert len(follower.trained) == 1


def test_a_run_begun_anew_in_the_same_folder_is_followed(going: Store) -> None:
    with Follower(going.folder) as follower:
        follower.refresh()
        going.release()
        with Store.create(going.folder, overwrite=True) as store:
            store.set_meta(status="searching", **DESCRIPTION)
            fill(store, 3)
            follower.refresh()
            same(follower, store)


def test_a_look_that_runs_out_of_time_goes_on_with_the_next(
    going: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgenas.live.following.BATCH", 3)
    with Follower(going.folder) as follower:
        looks = 0
        while not follower.complete:
            follower.refresh(1e-9 if looks else 0.0)
            looks += 1
            if looks > 20:
                follower.refresh()
        same(follower, going)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        Follower(tmp_path)


def test_a_follower_cannot_write(going: Store) -> None:
    with Follower(going.folder) as follower, pytest.raises(Exception, match="readonly"):
        follower._connection.execute("DELETE FROM trials")


def test_the_state_says_what_goes_on(going: Store) -> None:
    with Follower(going.folder) as follower:
        follower.refresh()
        document = standing(follower)
    assert document["counts"] == {
        "running": 1, "completed": 6, "failed": 1, "stopped": 0, "trained": 6, "refused": 143,
    }  # fmt: skip
    assert document["process"]["alive"]
    assert [one["trial"] for one in document["running"]] == ["0007"]
    assert [one["trial"] for one in document["last"]][:2] == ["0006", "0005"]
    assert document["left"]["of"] == "search" and document["left"]["seconds"] >= 0
    assert document["log"] == ["Epoch 1/6 red", "<script>alert(1)</script>"]


@pytest.mark.parametrize(
    ("changes", "seconds", "of"),
    [
        ({"config": {"minutes": 30}, "elapsed_seconds": 600.0}, 1200.0, "run"),
        ({"config": {"minutes": 5}, "elapsed_seconds": 600.0}, 0.0, "run"),
        ({"status": "done"}, 0.0, "run"),
        ({"status": "retraining"}, None, "run"),
    ],
)
def test_time_left(going: Store, changes: dict[str, object], seconds: float | None, of: str) -> None:
    going.set_meta(**changes)
    with Follower(going.folder) as follower:
        follower.refresh()
        left = standing(follower)["left"]
    assert (left["seconds"], left["of"]) == (seconds, of)


def test_winners_and_the_end_are_seen(going: Store) -> None:
    with Follower(going.folder) as follower:
        follower.refresh()
        going.save_winner(WinnerRecord("0001", "the best"))
        follower.refresh()
        assert [one["trial"] for one in standing(follower)["winners"]] == ["0001"]
        assert not follower.finals()
        choose_winners(going, [trial.trial_id for trial in read_run(going).front])
        going.set_meta(status="done")
        follower.refresh()
        assert follower.finals() and standing(follower)["status"] == "done"


def test_words() -> None:
    assert [duration_words(value) for value in (None, 3.2, 600, 7500, 400_000)] == [
        "unknown", "3 s", "10 min", "2 h 05 min", "4 d 15 h",
    ]  # fmt: skip
    assert plain("\x1b[2Ka\x07b\x1b]0;title") == "a b0;title"
    assert log_tail(Path("/nowhere")) == []


def test_figures_are_not_numbers_where_nothing_was_trained(going: Store) -> None:
    with Follower(going.folder) as follower:
        follower.refresh()
        assert np.isnan(follower.trials.figure[[4, 7]]).all()
