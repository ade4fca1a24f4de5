"""Real short trainings with Keras on digits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import build_model
from edgenas.data.dataset import Dataset
from edgenas.data.prepared import Prepared
from edgenas.errors import TrialError
from edgenas.train.loss import crossentropy, one_hot, right_share, smoothed, softened
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import accuracy, even_batch, steps_at_once, train

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def splits(digits: Dataset) -> tuple[Arrays, Arrays]:
    train_split, validation = (
        (digits.normalization.apply(split.x), split.y) for split in (digits.train, digits.validation)
    )
    return train_split, validation


def new_model(spec: ArchSpec, seed: int = 0) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    return build_model(spec, keras)


def test_a_short_training_learns_and_says_how_it_went(
    splits: tuple[Arrays, Arrays], small_spec: ArchSpec, short: Recipe
) -> None:
    model, epochs = new_model(small_spec), []
    result = train(model, *splits, replace(short, epochs=6), epochs.append)
    assert result.val_accuracy > 0.6
    assert result.val_accuracy == pytest.approx(accuracy(model, *splits[1]), abs=1e-6)
    assert (result.epochs, result.stopped_early, len(result.history)) == (6, False, 6)
    assert [entry["epoch"] for entry in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1]["val_accuracy"] == result.val_accuracy
    assert result.history[0]["loss"] > result.history[-1]["loss"]
    assert result.images_per_second > 0 and result.seconds > 0


def test_one_seed_gives_one_result_and_another_seed_another(
    splits: tuple[Arrays, Arrays], small_spec: ArchSpec, short: Recipe
) -> None:
    losses = []
    for seed in (1, 1, 2):
        recipe = replace(short, epochs=1, seed=seed)
        losses.append(train(new_model(small_spec, seed), *splits, recipe).val_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert abs(losses[0] - losses[2]) > 1e-2


def test_early_stopping_goes_back_to_the_best_epoch(splits: tuple[Arrays, Arrays]) -> None:
    """A few images and a large step: the validation accuracy is soon as good as it gets."""
    import keras

    (images, labels), validation = splits
    model = keras.Sequential(
        [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(64, "relu"),
         keras.layers.Dense(10, "softmax")]
    )  # fmt: skip
    few = (images[:64], labels[:64])
    recipe = Recipe(epochs=60, images_per_epoch=64, batch_size=32, learning_rate=3.0, patience=4)
    result = train(model, few, validation, recipe)
    accuracies = [entry["val_accuracy"] for entry in result.history]
    best = int(np.argmax(accuracies))
    assert result.stopped_early
    assert result.epochs == len(accuracies) == best + 1 + recipe.patience
    assert result.val_accuracy == accuracies[best]
    losses = [entry["val_loss"] for entry in result.history]
    assert result.val_loss == losses[best]
    loss, _ = model.evaluate(*validation, verbose=0)
    assert abs(loss - losses[best]) < 1e-4 < abs(loss - losses[-1])
    assert result.val_accuracy == pytest.approx(accuracy(model, *validation), abs=1e-6)


def test_without_an_accuracy_metric_the_validation_loss_decides(splits: tuple[Arrays, Arrays]) -> None:
    import keras

    (images, labels), validation = splits
    recipe = Recipe(epochs=40, images_per_epoch=64, batch_size=32, patience=3)
    result = train(flat_model(keras.optimizers.Adam(0.3), []), (images[:64], labels[:64]), validation, recipe)
    losses = [entry["val_loss"] for entry in result.history]
    assert result.stopped_early
    assert result.val_loss == min(losses) == losses[-1 - recipe.patience]
    assert result.train_accuracy is None


def flat_model(optimizer: Any, metrics: list[str]) -> Any:
    import keras

    model = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=metrics, jit_compile=False)
    return model


def test_a_model_that_its_owner_compiled_is_trained_as_it_is(
    splits: tuple[Arrays, Arrays], short: Recipe
) -> None:
    """Logits, Adam and no metric: the accuracy is counted all the same."""
    import keras

    model = flat_model(keras.optimizers.Adam(0.02), [])
    result = train(model, *splits, short)
    assert type(model.optimizer).__name__ == "Adam"
    assert result.val_accuracy == pytest.approx(accuracy(model, *splits[1]), abs=1e-6)
    assert result.val_accuracy > 0.5


def test_a_loss_that_becomes_nan_fails_the_trial_with_the_reason(
    splits: tuple[Arrays, Arrays], short: Recipe
) -> None:
    import keras

    with pytest.raises(TrialError, match="loss became NaN or infinite in epoch 1; a lower learning rate"):
        train(flat_model(keras.optimizers.SGD(1e38), ["accuracy"]), *splits, short)


def test_a_validation_loss_that_is_nan_fails_the_trial(splits: tuple[Arrays, Arrays], short: Recipe) -> None:
    train_split, (images, labels) = splits
    broken = images.copy()
    broken[0] = np.nan
    with pytest.raises(TrialError, match="validation loss became NaN or infinite in epoch 2"):
        train(flat_model("adam", ["accuracy"]), train_split, (broken, labels), short)


@given(st.integers(1, 20_000))
def test_a_validation_batch_leaves_no_odd_rest_where_that_is_possible(number: int) -> None:
    batch = even_batch(number)
    assert 1 <= batch <= 1000
    divisors = [size for size in range(64, 1001) if number % size == 0]
    assert batch == (max(divisors) if divisors else 1000)


def test_softened_training_is_validated_by_plain_cross_entropy_of_averaged_weights(
    splits: tuple[Arrays, Arrays], small_spec: ArchSpec, short: Recipe
) -> None:
    """Averages of batch normalization fit the averaged weights: a model that is evaluated anew agrees."""
    model = new_model(small_spec)
    recipe = replace(short, epochs=6, optimizer="adamw", label_smoothing=0.1, ema=0.9, weight_decay=0.01)
    result = train(model, *splits, recipe)
    probabilities = np.asarray(model.predict(splits[1][0], verbose=0))
    plain = -np.log(probabilities[np.arange(len(probabilities)), splits[1][1]]).mean()
    assert result.val_loss == pytest.approx(plain, rel=1e-3)
    assert result.val_accuracy == pytest.approx(accuracy(model, *splits[1]), abs=1e-6)
    assert result.val_accuracy > 0.5


def test_label_smoothing_and_a_teacher_enter_the_loss_as_written() -> None:
    import keras

    recipe = Recipe(1, 64, label_smoothing=0.2, distill=0.3, temperature=2.0)
    rng = np.random.default_rng(0)
    student, teacher = (rng.dirichlet(np.ones(4), 8).astype(np.float32) for _ in range(2))
    labels = np.arange(8) % 4
    shares = smoothed(one_hot(labels, 4), 0.2)
    soft = softened(teacher, 2.0)
    hard = -(shares * np.log(student)).sum(axis=1)
    taught = -(soft * np.log(softened(student, 2.0))).sum(axis=1)
    loss, right = crossentropy(recipe), right_share()
    found = keras.ops.convert_to_numpy(loss(np.concatenate([shares, soft], axis=1), student))
    assert found == pytest.approx((0.7 * hard + 0.3 * 4 * taught).mean(), rel=1e-4)
    plain = keras.ops.convert_to_numpy(loss(labels, student))
    assert plain == pytest.approx(-np.log(student[np.arange(8), labels]).mean(), rel=1e-4)
    for targets in (labels, shares, np.concatenate([shares, soft], axis=1)):
        right.reset_state()
        right.update_state(targets, student)
        assert float(right.result()) == pytest.approx((student.argmax(axis=1) == labels).mean())


def test_decay_pulls_kernels_and_leaves_the_rest_alone(splits: tuple[Arrays, Arrays]) -> None:
    """With all images black nothing is learnt, so only decay moves the kernel."""
    import keras

    model = keras.Sequential(
        [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    )
    before = model.layers[-1].kernel.numpy()
    (images, labels), validation = splits
    black = (np.zeros_like(images[:64]), labels[:64])
    train(model, black, validation, Recipe(4, 64, 32, weight_decay=0.5, learning_rate=1.0))
    shrunk = model.layers[-1].kernel.numpy() / before
    assert shrunk.std() < 1e-4 and 0.2 < shrunk.mean() < 0.95
    assert np.abs(model.layers[-1].bias.numpy()).max() > 0.01


def test_a_class_that_weighs_more_is_named_more_often_with_mixup_too(
    splits: tuple[Arrays, Arrays], small_spec: ArchSpec, short: Recipe
) -> None:
    named = []
    for weight in (1.0, 30.0):
        model = new_model(small_spec)
        recipe = replace(short, class_weights=(weight, *(1.0,) * 9), augment=("mixup",))
        result = train(model, *splits, recipe)
        scores = np.asarray(model.predict(splits[1][0], verbose=0))
        named.append(int((scores.argmax(axis=-1) == 0).sum()))
        assert weight > 1 or result.val_accuracy > 0.25  # chance is 0.1
    assert named[1] > 1.5 * named[0]


def test_examples_on_disk_train_as_those_in_memory(
    digits: Dataset, splits: tuple[Arrays, Arrays], small_spec: ArchSpec, short: Recipe
) -> None:
    lazy = tuple(
        (Prepared(split.x, digits.normalization, (8, 8, 1)), split.y)
        for split in (digits.train, digits.validation)
    )
    results = [
        train(new_model(small_spec, 1), *pair, replace(short, epochs=1, augment=("shift",)))
        for pair in (splits, lazy)
    ]
    assert results[0].val_loss == pytest.approx(results[1].val_loss, rel=1e-3)
    assert results[0].val_accuracy == pytest.approx(results[1].val_accuracy, abs=0.01)


def test_steps_taken_together_end_as_steps_taken_alone(
    splits: tuple[Arrays, Arrays], small_spec: ArchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five at a time of seven, with all that follows single steps; a watcher of batches still sees each."""
    import keras

    recipe = Recipe(3, 7 * 64, 64, shift=0.1, seed=2, ema=0.9, label_smoothing=0.1, learning_rate=0.05)
    monkeypatch.setattr("edgenas.train.trainer.AT_ONCE", 5)
    seen: list[int] = []
    watcher = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    results, models = [], []
    for least, callbacks in ((10**6, ()), (0, ()), (0, (watcher,))):
        monkeypatch.setattr("edgenas.train.trainer.AT_ONCE_FROM", least)
        models.append(new_model(small_spec, 3))
        results.append(train(models[-1], *splits, recipe, callbacks=callbacks))
        assert models[-1].steps_per_execution == 1
    assert steps_at_once(recipe.epochs * 7, ()) == 5 and seen == 3 * list(range(7))
    for result in results[1:]:
        assert result.val_loss == pytest.approx(results[0].val_loss, rel=1e-3)
        assert [entry["loss"] for entry in result.history] == pytest.approx(
            [entry["loss"] for entry in results[0].history], rel=1e-3
        )
