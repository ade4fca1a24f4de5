"""Three networks trained for real on digits, and their bundles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from edgenas.build.twin import twin
from edgenas.data import load_dataset, prepare
from edgenas.export.bundle import export_bundle
from edgenas.export.making import keras_outputs
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import train
from tests.export.digit_bundles import NETWORKS, SHAPE, SPECS, Exported, Images, OnDemand, users_own

RECIPE = Recipe(epochs=10, images_per_epoch=1024, batch_size=64)


@pytest.fixture(scope="session")
def digits() -> Images:
    data = load_dataset("digits")
    splits = {name: (prepare(s.x, data.normalization, SHAPE), s.y) for name, s in data.splits.items()}
    return Images(**splits)


@pytest.fixture(scope="session")
def models(digits: Images) -> Mapping[str, Any]:
    """Trained models as the exporter gets them: tf_keras twins, and the user's own as it is."""
    import keras

    from edgenas.build.builder import build_model

    def trained(name: str) -> Any:
        keras.utils.set_random_seed(3)
        model = users_own(keras) if name not in SPECS else build_model(SPECS[name], keras)
        train(model, digits.train, digits.validation, RECIPE)
        return model if name not in SPECS else twin(SPECS[name], model.get_weights())

    return OnDemand(trained)


@pytest.fixture(scope="session")
def bundles(
    models: Mapping[str, Any], digits: Images, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Exported]:
    def exported(name: str) -> Exported:
        model, folder = models[name], tmp_path_factory.mktemp("bundles") / str(NETWORKS.index(name))
        manifest = export_bundle(
            model,
            out_dir=folder,
            input_shape=SHAPE,
            calibration=digits.calibration,
            held_back=digits.validation,
            test=digits.test,
            description={"network": name},
        )
        return Exported(folder, manifest, model, keras_outputs(model, digits.validation[0]))

    return OnDemand(exported)


@pytest.fixture(params=NETWORKS)
def bundle(request: pytest.FixtureRequest, bundles: Mapping[str, Exported]) -> Exported:
    return bundles[request.param]
