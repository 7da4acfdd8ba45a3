"""Exported networks give the outputs of the child, and need nothing of Cellwright."""

import ast
import copy
import logging
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from cellwright.search_spaces import (
    AroundSpace,
    ConvNetSpace,
    EdgeCellSpace,
    ExportFailed,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    load_genotype,
)
from cellwright.search_spaces.backend import WRITERS, backend
from cellwright.search_spaces.export import (
    convert_to_litert,
    export_keras,
    export_litert,
    export_onnx,
    export_openvino,
    export_python,
    inference_model,
    run_litert,
)
from cellwright.search_spaces.export.check import check
from cellwright.search_spaces.export.in_one_step import in_one_step
from cellwright.search_spaces.export.to_python import python_text

SHAPE = (16, 16, 3)
litert = pytest.mark.skipif(
    backend() not in WRITERS["LiteRT"], reason="LiteRT files are made by TensorFlow"
)
onnx = pytest.mark.skipif(
    backend() not in WRITERS["ONNX"] and find_spec("jax2onnx") is None,
    reason="ONNX files are not made under this backend",
)
openvino = pytest.mark.skipif(
    backend() not in WRITERS["OpenVINO"] or find_spec("openvino") is None,
    reason="OpenVINO is not installed, or its files are not made under this backend",
)
TO_LITERT = pytest.param(export_litert, marks=litert)
TO_ONNX = pytest.param(export_onnx, marks=onnx)


def images(number, shape=SHAPE, seed=5):
    """Noise, each image in a colour of its own."""
    rng = np.random.default_rng(seed)
    colours = rng.random((number, 1, 1, shape[-1]), dtype=np.float32)
    return colours * rng.random((number, *shape), dtype=np.float32)


def varied(model):
    """Weights as after training: normalisations that fit the images, classes that these differ in.

    Without statistics of images a deep child gives nearly the same features for all, and to tell
    classes apart by these would tell rounding errors apart.
    """
    rng = np.random.default_rng(1)
    x = images(32, model.input_shape[1:])
    normalisations = [n for n in model.layers if isinstance(n, keras.layers.BatchNormalization)]
    for layer in normalisations:
        layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
        layer.beta.assign(rng.normal(0, 0.3, layer.beta.shape))
    momentum = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        layer.momentum = 0.0  # the statistics become those of this one batch
    model(x, training=True)
    for layer, value in zip(normalisations, momentum, strict=True):
        layer.momentum = value
    classes = model.get_layer("classes")
    features = keras.Model(model.input, classes.input)(x, training=False)
    features = keras.ops.convert_to_numpy(features)
    assert features.std(axis=0).max() > 1e-3 * np.abs(features).max()  # no rounding errors
    kernel = rng.normal(0, 1, classes.kernel.shape)
    kernel *= 2 / ((features - features.mean(axis=0)) @ kernel).std()
    classes.set_weights([kernel, -features.mean(axis=0) @ kernel])
    return model


def outputs(model, x):
    found = model(x, training=False)
    return keras.ops.convert_to_numpy(found["classes"] if isinstance(found, dict) else found)


@pytest.fixture(scope="module")
def child():
    """A child with all that only training needs: drop-path, dropout, auxiliary head."""
    space = NASNetSpace.published(blocks=1, operations=("dil_3x3", "max_5x5", "sep_3x3"))
    params = space.sample(np.random.default_rng(3))
    model = space.build(
        params, SHAPE, 4, filters=4, repeats=1, reductions=1, seed=0,
        drop_path_keep=0.6, drop_path_steps=10, dropout=0.2, auxiliary=True,
    )  # fmt: skip
    return varied(model)


def test_the_children_of_these_tests_tell_images_apart(child):
    found = outputs(child, images(8))
    assert np.ptp(found, axis=0).max() > 0.01
    assert len(set(found.argmax(axis=1))) > 1


def test_what_is_exported_is_the_main_output_in_keras_own_layers(child):
    before = [layer.name for layer in child.layers]
    plain = inference_model(child)
    assert np.array_equal(outputs(plain, images(4)), outputs(child, images(4)))
    assert {type(layer).__module__.split(".")[0] for layer in plain.layers} == {"keras"}
    assert not any("auxiliary" in layer.name for layer in plain.layers)
    assert any(isinstance(layer, keras.layers.Dropout) for layer in plain.layers)
    assert [layer.name for layer in child.layers] == before
    assert sorted(child(images(1))) == ["auxiliary", "classes"]


def test_a_keras_file_holds_no_optimizer(child):
    done = export_keras(child, "child.keras")
    loaded = keras.models.load_model("child.keras")
    assert np.array_equal(outputs(loaded, images(4)), outputs(child, images(4)))
    assert not loaded.compiled
    assert (done.path, done.difference, done.same_class) == (Path("child.keras"), 0, 1)
    assert done.bytes == done.path.stat().st_size


@litert
def test_litert_takes_one_image_in_float32(child):
    done = export_litert(child, "child.tflite")
    assert done.difference <= 1e-4
    assert done.same_class == 1
    interpreter = Interpreter("child.tflite")
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert (tuple(taken["shape"]), taken["dtype"]) == ((1, *SHAPE), np.float32)
    expected = outputs(child, images(3))
    for image, one in zip(images(3), expected, strict=True):
        interpreter.set_tensor(taken["index"], image[None])
        interpreter.invoke()
        assert interpreter.get_tensor(given["index"])[0] == pytest.approx(one, abs=1e-4)


@litert
def test_litert_in_int8_has_whole_numbers_alone(child):
    x = images(40)
    done = export_litert(child, "child.tflite", int8=True, images=x)
    assert 0 < done.difference < 0.2
    assert done.same_class > 0.7
    interpreter = Interpreter("child.tflite")
    interpreter.allocate_tensors()
    assert interpreter.get_input_details()[0]["dtype"] == np.int8
    assert interpreter.get_output_details()[0]["dtype"] == np.int8
    kinds = {tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    assert np.float32 not in kinds
    found = run_litert(Path("child.tflite").read_bytes(), x)
    assert np.abs(found - outputs(child, x)).max() == pytest.approx(done.difference)


@litert
def test_an_int8_network_knows_the_range_of_the_images_that_it_was_given(child):
    plain = inference_model(child)
    large = images(20) * 255
    fitting = run_litert(convert_to_litert(plain, int8=True, images=large), large)
    clipping = run_litert(convert_to_litert(plain, int8=True), large)  # images of 0 to 1
    wanted = outputs(child, large)
    assert np.abs(fitting - wanted).mean() < np.abs(clipping - wanted).mean()


@onnx
def test_onnx_takes_any_number_of_images(child):
    done = export_onnx(child, "child.onnx")
    assert done.difference <= 1e-4
    session = onnxruntime.InferenceSession("child.onnx")
    for number in (1, 3):
        (found,) = session.run(None, {"image": images(number)})
        assert found == pytest.approx(outputs(child, images(number)), abs=1e-4)


@openvino
def test_openvino_takes_any_number_of_images_in_float32(child):
    done = export_openvino(child, "child.xml")
    assert done.difference <= 1e-5
    assert {file.name for file in Path().iterdir()} == {"child.xml", "child.bin"}
    assert done.bytes == sum(file.stat().st_size for file in Path().iterdir())
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model("child.xml", "CPU", exact)
    for number in (1, 3):
        found = compiled(images(number))[0]
        assert found == pytest.approx(outputs(child, images(number)), abs=1e-5)


@openvino
def test_what_openvino_cannot_hold_leaves_no_file():
    image = keras.Input((4, 4, 1))
    x = keras.ops.linalg.svd(keras.layers.Reshape((4, 4))(image), compute_uv=False)
    root = logging.getLogger()
    before = root.level, root.handlers[:], root.filters[:]
    with pytest.raises(ExportFailed, match=r"cannot be (made into|run).*Choose another format"):
        export_openvino(keras.Model(image, x), "child.xml")
    assert not list(Path().iterdir())
    # OpenVINO's converter would leave the whole process deaf to warnings.
    assert (root.level, root.handlers, root.filters) == before


ALONE = """
import runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "cellwright":
            raise ImportError("there is no cellwright here")

sys.meta_path.insert(0, Blocker())
import keras
import numpy as np
x, wanted = np.load("x.npy"), np.load("wanted.npy")
file = runpy.run_path("child.py", run_name="__main__")
for model in (file["load_weights"](file["build_model"]()), keras.models.load_model("child.keras")):
    print("difference", np.abs(keras.ops.convert_to_numpy(model(x)) - wanted).max())
"""


def test_python_and_keras_files_need_keras_alone(child):
    done = export_python(child, "child.py", genotype={"blocks": [1, "sep_3x3"]})
    assert done.difference <= 1e-6
    assert done.bytes == sum(Path(f).stat().st_size for f in ("child.py", "child.weights.h5"))
    export_keras(child, "child.keras")
    np.save("x.npy", images(4))
    np.save("wanted.npy", outputs(child, images(4)))
    found = subprocess.run(
        [sys.executable, "-I", "-c", ALONE], capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stderr
    assert f"Total params: {inference_model(child).count_params():,}" in found.stdout
    differences = [line.split()[1] for line in found.stdout.splitlines() if "difference" in line]
    assert len(differences) == 2
    assert all(float(difference) <= 1e-6 for difference in differences)


def test_the_python_file_reads_well():
    space = NASNetSpace(blocks=2)
    params = space.sample(np.random.default_rng(3))
    model = space.build(params, SHAPE, 4, filters=2, reductions=1, drop_path_keep=0.6)
    text = python_text(inference_model(model), "child.weights.h5", {"blocks": [1, "sep_3x3"]})
    tree = ast.parse(text)
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
               for alias in node.names}  # fmt: skip
    assert imports == {"keras"}
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == [
        "build_model", "load_weights",
    ]  # fmt: skip
    assert "GENOTYPE = {'blocks': [1, 'sep_3x3']}" in text
    headings = [line.strip(" #") for line in text.splitlines() if line.startswith("    # ")]
    blocks = list(dict.fromkeys(h for h in headings if "block" in h))
    cells = ("cell 1 normal", "cell 2 reduction", "cell 3 normal")
    assert blocks == [f"{cell} block {number}" for cell in cells for number in (1, 2)]
    assert [h for h in headings if "block" in h] == blocks  # each once: no cell is scattered
    assert "seed" not in text
    assert "_drop_path" not in text


def rebuilt(model):
    text = python_text(model, "weights")
    names = {"__file__": "child.py", "__name__": "child"}
    exec(compile(text, "child.py", "exec"), names)
    return names["build_model"](), text


def as_set(model):
    """What a model is, whatever the order of its layers and the seeds of its initial weights."""

    def unseeded(value):
        if isinstance(value, dict):
            return {k: unseeded(v) for k, v in value.items() if k not in ("seed", "build_config")}
        return [unseeded(v) for v in value] if isinstance(value, list | tuple) else value

    config = unseeded(copy.deepcopy(model.get_config()))
    layers = {layer["name"]: layer for layer in config.pop("layers")}
    return {**config, "layers": layers}


@pytest.mark.parametrize(
    ("space", "options"),
    [
        (NASNetSpace.amoebanet(blocks=1), {"filters": 4, "repeats": 1, "reductions": 1}),
        (NASNetSpace(blocks=2, combinations=("concat",)), {"filters": 3, "reductions": 1}),
        (ConvNetSpace(strides=True), {}),
        (EdgeCellSpace(), {"filters": 4, "repeats": 1, "dead_edges": True}),
        pytest.param(MnasNetSpace(), {"filters": 8}, marks=pytest.mark.slow),
        pytest.param(AroundSpace("mobilenet-v3-small"), {"width": 0.5}, marks=pytest.mark.slow),
        pytest.param(NASNetSpace.published(), {"filters": 3}, marks=pytest.mark.slow),
        pytest.param(NASNetSpace(), {"filters": 3}, marks=pytest.mark.slow),
    ],
    ids=["amoebanet", "book, small", "convnet", "edge cell", "mnasnet", "around", "nasnet", "book"],
)
def test_the_python_file_builds_the_same_layers_and_connections(space, options):
    params = space.sample(np.random.default_rng(7))
    model = inference_model(space.build(params, SHAPE, 3, seed=0, **options))
    again, _ = rebuilt(model)
    assert as_set(again) == as_set(model)


def test_the_python_file_holds_any_layer_of_keras():
    image = keras.Input((8, 8, 3), name="class")  # no name for a variable
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = keras.layers.Conv2D(
        4, (3, 1), strides=(2, 1), activation="relu",
        kernel_initializer=keras.initializers.HeNormal(3), kernel_constraint="max_norm",
        kernel_regularizer=keras.regularizers.L2(1e-4), name="1x3 \"'",
    )(x)  # fmt: skip
    for pool in ({"pool_size": 3}, {"strides": 1}, {"pool_size": (1, 2), "strides": (2, 1)}):
        x = keras.layers.MaxPooling2D(padding="same", **pool)(x)
    x = keras.layers.ZeroPadding2D(((0, 1), (2, 0)), data_format="channels_last")(x)
    shared = keras.layers.Conv2D(4, 1, name="shared")
    x = keras.layers.Add()([shared(x), shared(keras.layers.LeakyReLU(0.3)(x)), x])
    x = keras.layers.Subtract()([x, x])
    x = keras.layers.Reshape((-1, 4))(x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(2, activation="tanh"))(x)
    x = keras.layers.Dot(axes=(1, 1))([x, x])
    x = keras.layers.Flatten(name="lambda")(x)
    model = keras.Model(image, keras.layers.Dense(2, name="x")(x), name="any thing")
    again, text = rebuilt(model)
    wanted = as_set(model)
    assert as_set(again) == {**wanted, "name": "any_thing"}
    assert "kernel_initializer=keras.initializers.HeNormal()" in text
    assert "strides=(2, 1)" in text
    done = export_python(model, "any.py")
    assert done.difference == 0


@keras.saving.register_keras_serializable(package="tests")
class Twice(keras.layers.Layer):
    def call(self, x):
        return x * 2


def ending_in(layer):
    image = keras.Input((4, 4, 1))
    x = layer(keras.layers.Conv2D(2, 1)(image))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (Twice(name="doubled"), "layer 'doubled' is a .*Twice"),
        (keras.layers.Lambda(lambda x: x * 2, name="doubled"), "layer 'doubled' is a .*Lambda"),
        (lambda x: keras.ops.relu(x), "layer 'relu.*' is a keras.*Relu"),
        (keras.layers.Activation(keras.saving.register_keras_serializable()(lambda x: x),
                                 name="own"), r"layer 'own' \(Activation\) holds"),
        (keras.Sequential([keras.layers.ReLU()], name="inner"), "layer 'inner' is a .*Sequential"),
    ],
    ids=["own layer", "Lambda", "keras.ops", "own function", "nested"],
)  # fmt: skip
def test_a_layer_that_python_cannot_hold_is_named_and_no_file_is_left(layer, named):
    with pytest.raises(ExportFailed, match=named):
        export_python(ending_in(layer), "child.py")
    assert not list(Path().iterdir())


@litert
def test_own_layers_go_into_the_other_formats():
    model = ending_in(Twice())
    assert export_litert(model, "child.tflite").difference <= 1e-4
    assert export_onnx(model, "child.onnx").difference <= 1e-4
    assert export_keras(model, "child.keras").difference == 0


@pytest.mark.parametrize("export", [TO_LITERT, TO_ONNX])
def test_an_operation_that_a_format_lacks_is_an_error_of_ours(export):
    image = keras.Input((4, 4, 1))
    x = keras.ops.inv(keras.layers.Reshape((4, 4))(image))
    with pytest.raises(ExportFailed, match=r"cannot be (made into|run).*Choose another format"):
        export(keras.Model(image, x), "child.file")
    assert not list(Path().iterdir())


@pytest.fixture
def policy():
    """A function that sets Keras's dtype policy; the one before comes back after the test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


EVERY = [
    pytest.param(export_keras, "child.keras", id="keras"),
    pytest.param(export_python, "child.py", id="python"),
    pytest.param(export_litert, "child.tflite", id="litert", marks=litert),
    pytest.param(export_onnx, "child.onnx", id="onnx", marks=onnx),
    pytest.param(export_openvino, "child.xml", id="openvino", marks=openvino),
]


@pytest.mark.parametrize(("export", "file"), EVERY)
@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16", "float64", "bfloat16"])
def test_a_child_of_any_dtype_policy_is_exported_in_float32(export, file, name, policy):
    policy(name)
    space = NASNetSpace(blocks=1)
    params = space.decode([0] * len(space.names))
    model = space.build(params, (8, 8, 1), 3, filters=4, reductions=0, seed=0)
    done = export(model, file)  # while the policy is still set, as in the script that trained it
    assert done.difference <= (1e-6 if export is export_python else 1e-5)
    assert done.same_class == 1
    assert keras.config.dtype_policy().name == name
    if file == "child.keras":
        plain = keras.models.load_model(file)
        assert {layer.dtype for layer in plain.layers} == {"float32"}
        x = images(4, (8, 8, 1))
        assert outputs(plain, x) == pytest.approx(np.float32(outputs(model, x)), abs=2e-2)


@pytest.mark.parametrize("export", [TO_LITERT, export_keras, TO_ONNX])
def test_layers_inside_layers_and_operations_are_brought_to_float32_too(export, policy):
    policy("mixed_float16")
    image = keras.Input((4, 4))
    x = keras.layers.TimeDistributed(keras.layers.Dense(3))(image)
    x = keras.Sequential([keras.layers.Dense(2)], name="inner")(keras.ops.add(x, x))
    model = keras.Model(image, keras.layers.GlobalAveragePooling1D()(x))
    plain = inference_model(model)
    inside = plain._flatten_layers()
    assert {layer.compute_dtype for layer in inside} == {"float32"}
    name = "child.keras" if export is export_keras else "child.file"
    assert export(model, name).difference <= 1e-5


def test_a_python_file_is_written_under_channels_first_and_refuses_to_be_read_so(child):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        assert export_python(child, "child.py").difference <= 1e-6
        names = {"__file__": "child.py", "__name__": "child"}
        exec(compile(Path("child.py").read_text(), "child.py", "exec"), names)
        with pytest.raises(
            ValueError, match=r"call keras.config.set_image_data_format\('channels_l"
        ):
            names["build_model"]()
        keras.config.set_image_data_format("channels_last")
        assert names["build_model"]().count_params() == inference_model(child).count_params()
    finally:
        keras.config.set_image_data_format(before)


def test_same_class_is_said_only_where_there_are_classes():
    params = MLPSpace().sample(np.random.default_rng(0))
    value = MLPSpace().build(params, (4,), None, seed=0)
    assert export_keras(value, "value.keras").same_class is None
    classes = MLPSpace().build(params, (4,), 2, seed=0)
    assert export_keras(classes, "classes.keras").same_class == 1
    features = keras.Input((4,))
    numbers = keras.Model(features, keras.layers.Dense(3)(features))
    assert export_keras(numbers, "numbers.keras").same_class is None


def test_a_network_whose_outputs_are_no_numbers_is_said_to_be_at_fault():
    features = keras.Input((4,))
    dense = keras.layers.Dense(3, "softmax")
    model = keras.Model(features, dense(features))
    dense.bias.assign(np.full(3, np.nan))
    with pytest.raises(ExportFailed, match="the network itself gives NaN or infinity") as said:
        export_keras(model, "child.keras")
    assert "another format" not in str(said.value)
    assert not list(Path().iterdir())


def several_inputs():
    ends = [keras.Input((4, 4, 1)) for _ in range(2)]
    return keras.Model(ends, keras.layers.Add()(ends))


def several_outputs():
    image = keras.Input((4, 4, 1))
    return keras.Model(image, [keras.layers.ReLU()(image), keras.layers.Flatten()(image)])


class Subclassed(keras.Model):
    def call(self, x):
        return x


def of_any_size():
    image = keras.Input((None, None, 1))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (several_inputs, "a network of one input is needed, .* has 2"),
        (several_outputs, "has 2 outputs and none is named 'classes'"),
        (Subclassed, "neither a functional nor a sequential Keras model"),
        (of_any_size, r"takes inputs of one size, this one's are \(None, None, 1\)"),
    ],
)
@pytest.mark.parametrize(
    "export",
    [
        TO_LITERT,
        TO_ONNX,
        pytest.param(export_openvino, marks=openvino),
        export_keras,
        export_python,
    ],
)
def test_a_network_of_another_kind_is_refused(make, message, export):
    with pytest.raises(ExportFailed, match=message):
        export(make(), "child.keras" if export is export_keras else "child.py")


def test_images_may_be_a_list_and_of_whole_numbers(child):
    x = np.uint8(images(5) * 255)
    done = export_keras(child, "child.keras", images=list(x))
    assert done == export_keras(child, "child.keras", images=np.float32(x))
    mixed = [*images(1), *images(1, (8, 8, 3))]
    with pytest.raises(ValueError, match=r"of several sizes: \[\(8, 8, 3\), \(16, 16, 3\)\]"):
        export_keras(child, "child.keras", images=mixed)
    with pytest.raises(ValueError, match="numbers, got list"):
        export_keras(child, "child.keras", images=["a.png", "b.png"])


@litert
def test_litert_takes_a_list_for_the_ranges_of_int8(child):
    x = images(5)
    done = export_litert(child, "child.tflite", int8=True, images=list(x))
    assert done == export_litert(child, "child.tflite", int8=True, images=x)
    content = Path("child.tflite").read_bytes()
    assert np.array_equal(run_litert(content, list(x)), run_litert(content, x))


@litert
def test_a_network_that_cannot_be_resized_is_run_image_by_image():
    """A reshape to a shape of one image gives the same as the same network without it."""
    image = keras.Input((4, 4, 1))
    x = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image))
    plain = keras.Model(image, x)
    reshaped = keras.Model(image, keras.ops.reshape(plain(image), (1, 3)))
    x = images(37, (4, 4, 1))  # neither one batch nor several whole ones
    found = [run_litert(convert_to_litert(model), x) for model in (plain, reshaped)]
    assert found[0].shape == (37, 3)
    assert np.array_equal(*found)
    assert found[0] == pytest.approx(outputs(plain, x), abs=1e-6)


# A cell of which TensorFlow's newer quantiser makes a graph that it then refuses.
POOLS = [0, 0, 3, 4, 1, 0, 1, 1, 0, 0, 0, 1, 3, 0, 1, 0, 1, 4, 0, 1, 1, 1, 0, 0, 0,
         0, 1, 4, 5, 1, 1, 1, 0, 5, 0, 1, 1, 1, 4, 0, 1, 1, 2, 4, 0, 1, 1, 3, 3, 0]  # fmt: skip


@litert
def test_what_the_newer_quantiser_refuses_is_made_by_the_older_one():
    space = NASNetSpace()
    model = space.build(space.decode(POOLS), (8, 8, 1), 10, seed=0, filters=2, reductions=0)
    x = images(40, (8, 8, 1))
    content = convert_to_litert(model, int8=True, images=x)
    assert run_litert(content, x) == pytest.approx(outputs(model, x), abs=0.02)
    interpreter = Interpreter(model_content=content)
    kinds = {tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    assert kinds <= {np.int8, np.int32}  # whole numbers throughout


@litert
def test_images_that_do_not_fit_are_refused(child):
    for wrong in (images(2, (8, 8, 3)), images(0)):
        with pytest.raises(ValueError, match=r"images must be \(number, 16, 16, 3\), got"):
            export_litert(child, "child.tflite", int8=True, images=wrong)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (1e-3, "its outputs differ from the network's, in float32, by up to 0.001, and 0.0001 is"),
        (np.nan, "it gives NaN where the network gives numbers"),
    ],
)
def test_a_file_that_gives_other_outputs_is_refused_and_deleted(child, wrong, reason):
    plain = inference_model(child)
    file = Path("child.onnx")
    file.write_text("other outputs")
    with pytest.raises(ExportFailed, match=rf"child\.onnx was deleted: {reason}"):
        check((file,), plain, lambda x: outputs(plain, x) + np.float32(wrong))
    assert not file.exists()
    file.write_text("nearly the same")
    done = check((file,), plain, lambda x: outputs(plain, x) + np.float32(5e-5))
    assert done.difference == pytest.approx(5e-5, rel=0.01)
    assert file.exists()


@pytest.mark.parametrize(
    ("export", "names"),
    [
        (export_keras, ["a.keras"]),
        (export_python, ["a.py", "a.weights.h5"]),
        pytest.param(export_litert, ["a.tflite"], marks=pytest.mark.slow),
        pytest.param(export_onnx, ["a.onnx"], marks=pytest.mark.slow),
        pytest.param(export_openvino, ["a.xml", "a.bin"], marks=pytest.mark.slow),
    ],
)
def test_a_planted_link_is_replaced_and_not_followed(child, export, names):
    victim = Path("victim")
    victim.write_text("precious")
    Path("out").mkdir()
    for name in names:
        Path("out", name).symlink_to(victim.absolute())
    export(child, Path("out", names[0]))
    assert victim.read_text() == "precious"
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(names)
    assert not any(path.is_symlink() for path in Path("out").iterdir())


def test_files_come_all_at_once_or_not_at_all():
    old = [Path("a.py"), Path("a.h5")]
    for path in old:
        path.write_text("old")
    with pytest.raises(FileNotFoundError, match=r"'a\.py'"), in_one_step(*old) as beside:
        beside[1].write_text("new")  # and not the first
    assert [path.read_text() for path in old] == ["old", "old"]
    assert sorted(Path().iterdir()) == sorted(old)


SWEEP = {
    "book": (NASNetSpace(), {"filters": 8}),
    "nasnet": (NASNetSpace.published(), {"filters": 8, "repeats": 1, "reductions": 1}),
    "amoebanet": (NASNetSpace.amoebanet(), {"filters": 8, "repeats": 1, "reductions": 1}),
    "mnasnet": (MnasNetSpace(), {"filters": 16}),
    "around": (AroundSpace("mobilenet-v3-small"), {"width": 0.25}),
    "around, fused": (AroundSpace("efficientnet-v2-b0"), {"width": 0.25}),
    "around, normalised pixels": (AroundSpace("efficientnet-b0"), {"width": 0.25}),
    "convnet": (ConvNetSpace(), {}),
    "convnet strided": (ConvNetSpace(strides=True), {}),
    "edge cell": (EdgeCellSpace(), {"repeats": 2}),
}


@litert
@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("name", SWEEP)
def test_every_child_of_every_space_can_be_exported(name, number):
    space, options = SWEEP[name]
    params = space.sample(np.random.default_rng((11, number)))
    model = varied(space.build(params, (32, 32, 3), 10, seed=number, **options))
    x = images(16, (32, 32, 3))
    files = [
        export_litert(model, "child.tflite", images=x),
        export_onnx(model, "child.onnx", images=x),
    ]
    if number < 3:  # that it converts and runs; how good it is, random weights do not tell
        files.append(export_litert(model, "int8.tflite", int8=True, images=x))
    if number < 1:
        files += [
            export_keras(model, "child.keras", images=x),
            export_python(model, "child.py", images=x),
        ]
    for file in files:  # what is further away was refused
        print(f"{name} {number}: {file}")


@litert
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mobilenet-v2", "mobilenet-v3-small", "efficientnet-b0", "efficientnet-v2-b0"]
)
def test_published_networks_of_blocks_can_be_exported(name):
    """With hard swish and hard sigmoid, ReLU6, swish, fused blocks and layers that are dropped."""
    model = varied(load_genotype(name).build((40, 33, 3), 3, seed=0, width=0.25))
    x = images(8, (40, 33, 3))
    export_litert(model, "child.tflite", images=x)
    export_onnx(model, "child.onnx", images=x)
    export_python(model, "child.py", images=x)
