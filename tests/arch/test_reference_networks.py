import pytest

from edgenas.arch import reference_networks as public
from edgenas.arch.graph import OpGraph
from edgenas.errors import UnsupportedError

# Parameters: count_params() of keras.applications 3.15 (random weights, 1,000 classes); SqueezeNet's as its
# paper has it. MACs: millions as papers and the released files' tables state them; 0 where they do not.
KNOWN = {
    "mobilenet_v1": (public.mobilenet_v1(classes=1000), 4_253_864, 569),
    "mobilenet_v1 x 0.25": (public.mobilenet_v1(0.25, classes=1000), 475_544, 41),
    "mobilenet_v2": (public.mobilenet_v2(classes=1000), 3_538_984, 300),
    "mobilenet_v2 x 0.35": (public.mobilenet_v2(0.35, classes=1000), 1_691_208, 59),
    "mobilenet_v2 x 1.4": (public.mobilenet_v2(1.4, classes=1000), 6_156_712, 582),
    "mobilenet_v3 large": (public.mobilenet_v3(classes=1000), 5_507_432, 219),
    "mobilenet_v3 large x 0.75": (public.mobilenet_v3(width=0.75, classes=1000), 4_012_616, 155),
    "mobilenet_v3 small": (public.mobilenet_v3("small", classes=1000), 2_554_968, 56),
    "mobilenet_v3 large minimalistic": (
        public.mobilenet_v3(minimalistic=True, classes=1000), 3_948_688, 209,
    ),
    "mobilenet_v3 small minimalistic": (
        public.mobilenet_v3("small", minimalistic=True, classes=1000), 2_056_848, 0,
    ),
    "squeezenet": (public.squeezenet(), 1_248_424, 836),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_networks_have_the_published_parameters_and_macs(name: str) -> None:
    graph, params, mega_macs = KNOWN[name]
    assert graph.params == params
    assert not mega_macs or graph.macs / 1e6 == pytest.approx(mega_macs, rel=0.012)


@pytest.mark.parametrize(("number", "params"), list(enumerate((4.65, 5.42, 6.09, 8.20, 13.01))))
def test_efficientnet_lite_has_the_published_parameters(number: int, params: float) -> None:
    graph = public.efficientnet_lite(number)
    statistics = sum(2 * op.out_shape[-1] for op in graph.ops if op.batch_norm)
    assert (graph.params - statistics) / 1e6 == pytest.approx(params, abs=0.006)
    assert graph.input_shape[0] == (224, 240, 260, 280, 300)[number]


def test_resnet50_differs_from_keras_only_in_the_biases_that_batch_normalization_makes_needless() -> None:
    graph = public.resnet50()
    biases = sum(op.out_shape[-1] for op in graph.ops if op.batch_norm)
    assert graph.params + biases == 25_636_712


def test_mnasnet_has_the_size_of_the_released_file() -> None:
    graph = public.mnasnet(classes=1000)
    assert 4 * graph.stored_params / 1e6 == pytest.approx(17.0, rel=0.03)  # megabytes of the float file


@pytest.mark.parametrize("graph", [entry[0] for entry in KNOWN.values()], ids=list(KNOWN))
def test_names_are_unique_and_operations_read_what_was_written_before(graph: OpGraph) -> None:
    assert len({op.name for op in graph.ops}) == len(graph.ops)
    for place, op in enumerate(graph.ops):
        assert all(0 <= tensor <= place for tensor in op.inputs)
        assert op.in_shape == graph.shape(op.inputs[0])


def test_variants_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="lite0 to lite4"):
        public.efficientnet_lite(5)
    with pytest.raises(UnsupportedError, match="large or small"):
        public.mobilenet_v3("medium")
