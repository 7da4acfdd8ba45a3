"""Every option refuses what it cannot take, before any framework is imported.

The commands run in this process, where the frameworks may be loaded already; that none is imported
is asserted in a process of its own.
"""

import json
import os
import subprocess
import sys

import numpy as np
import optuna
import pytest

from cellwright.search_spaces import MLPSpace
from cellwright.searches.settings import Settings

# What each command is given, and the words that tell what was given, what is allowed, what to do.
SEARCH = [
    (["--host", "katib"], "--host must be one of optuna, nni, keras-tuner, ray, got 'katib'"),
    (["--storage", "foo://bar"], "cannot open the storage foo://bar"),
    (["--storage", "foo://bar"], "Give a URL such as sqlite:///study.db"),
    (["--storage", "sqlite:///no/such/folder/a.db"], "cannot open the storage sqlite"),
    (["--storage", "sqlite:///a.db", "--host", "nni"], "--storage is Optuna's"),
    (["--storage", "foo://me:secret77@bar"], "cannot open the storage foo://me:***@bar"),
    (["--storage", ""], "--storage is empty"),
    (["--storage", "sqlite:///a.db", "--study", " "], "--study is empty"),
    (["--study", "mine"], "--study mine is a study in a storage: give --storage URL too"),
    (["--workers", "2", "--host", "nni"], "--workers is for --host optuna: NNI runs"),
    (["--workers", "2", "--host", "keras-tuner"], "--workers is for --host optuna: Keras Tuner"),
    (["--workers", "0"], "--workers"),
    (["--concurrency", "2"], "--concurrency 2 is for --host nni or ray"),
    (["--concurrency", "0"], "--concurrency"),
    (["--track", "nope"], "nope"),
    (["--confirm", "0"], "--confirm must be at least 1, got 0"),
    (["--confirm", "three"], "--confirm"),
    (["--confirm", "3", "--objectives", "val_accuracy,parameters"], "--confirm 3 and --objectives"),
    (["--supernet", "0"], "--supernet"),
    (["--supernet", "5", "--one-shot"], "--supernet 5 and --one-shot: both share weights"),
    (["--supernet-folder", "s"], "is for a search with --supernet EPOCHS"),
    (["--shared-trials", "0"], "--shared-trials"),
    (["--shared-best", "3"], "--shared-best 3 is for a search with --supernet EPOCHS"),
    (["--shared-best", "-1"], "--shared-best"),
    (["--shared-examples", "0"], "--shared-examples"),
    (["--shared-examples", "9"], "--shared-examples 9 is for a search with --supernet EPOCHS"),
    (["--confirm", "3", "--one-shot"], "--confirm 3 and --one-shot: its children begin"),
    (["--confirm", "3", "--schedule", "pbt", "--tune", "learning_rate=1e-4..1e-2:log"],
     "--confirm 3 and --schedule pbt: its children go on"),
    (["--out", "file"], "--out file cannot be a folder (File exists)"),
    (["--out", "file/below"], "Not a directory"),
    (["--strategy", "evolutoin"], "--strategy: unknown name 'evolutoin'"),
    (["--strategy", "evolutoin"], "Did you mean 'evolution'?"),
    (["--strategy", "json:Nothing"], "--strategy: 'json:Nothing' cannot be loaded"),
    (["--strategy", "nowhere:Nothing"], "--strategy: 'nowhere:Nothing' cannot be loaded"),
    (["--strategy", "json:dumps"], "--strategy: "),
    (["--strategy", "pareto"], "objectives"),
    (["--strategy-arg", "units"], "--strategy-arg is NAME=VALUE"),
    (["--strategy-arg", "unit=3", "--strategy", "ppo"], "the arguments are"),
    (["--strategy-arg", "units=-3", "--strategy", "ppo"], "units"),
    (["--strategy-arg", "seed=3"], "give --seed"),
    (["--strategy-arg", "start=nasnet-a"], "give --start"),
    (["--strategy-arg", "prior=[]"], "give --after"),
    (["--after", "nowhere"], "nowhere is no run: give the folder of a `cellwright search`"),
    (["--after", "nowhere", "--strategy", "evolution"], "unexpected keyword argument 'prior'"),
    (["--start", "nasnet-z"], "--start: unknown genotype 'nasnet-z'"),
    (["--start", "mnasnet-a1"], "--start: "),
    (["--start", "nasnet-a"], "--start: "),
    (["--space", "nasnte"], "--space: unknown name 'nasnte'"),
    (["--space", "json:dumps"], "--space: "),
    (["--space", "around=mobilenet-v9"], "--space: unknown genotype 'mobilenet-v9'"),
    (["--space", "mlp=mobilenet-v2"], "--space: "),
    (["--weights", "w.keras"], "nasnet is around none: give --space around=mobilenet-v2"),
    (["--weights", "w.keras", "--space", "around"], "there is no file"),
    (["--space", "json:Nothing"], "--space: 'json:Nothing' cannot be loaded"),
    (["--tune", "dropout"], "--tune: "),
    (["--tune", "dropout=0.5..0.1"], "--tune: "),
    (["--tune", "nonsense=1,2"], "mean nothing here"),
    (["--tune", "learning_rate=abc"], "--tune: learning_rate must be a number, got 'abc'"),
    (["--tune", "weight_decay=a,b"], "--tune: weight_decay must be a number, got 'a'"),
    (["--tune", "epochs=abc"], "--tune: epochs must be a whole number, got 'abc'"),
    (["--tune", "batch_size=0,2"], "--tune: batch_size must be at least 1"),
    (["--tune", "filters=4,8", "--filters", "4"], "leave one of the two out"),
    (["--tune", "learning_rate=0.1,0.2", "--learning-rate", "0.3"], "leave one of the two out"),
    (["--data", "nowhere"], "no such data, and no such path: give digits"),
    (["--data", "nowhere.csv", "--space", "mlp"], "nowhere.csv"),
    (["--data", "file.npz"], "the file cannot be read"),
    (["--data", "wine"], "MLPSpace (--space mlp) is for tables"),
    (["--data", "table.csv"], "--space nasnet: this space makes networks that read images"),
    (["--data", "table.csv", "--space", "convnet"], "--space convnet: "),
    (["--data", "table.csv", "--space", "mnasnet", "--tune", "epochs=1..2"], "--space mnasnet: "),
    (["--data", "pixel.npz"], "an image of 1x1 is too small for 2 reduction cells"),
    (["--label", "a"], "--label is for tables"),
    (["--drop", "a,b"], "--drop is for tables"),
    (["--label", "a", "--data", "wine", "--space", "mlp"], "its label is fixed"),
    (["--label", "nope", "--data", "table.csv", "--space", "mlp"], "nope"),
    (["--drop", "nope", "--data", "table.csv", "--space", "mlp"], "nope"),
    (["--task", "clustering"], "--task must be one of auto, classification, regression"),
    (["--task", "regression"], "--task is for tables"),
    (["--class-weight", "heavy"], "--class-weight must be balanced, or left out, got 'heavy'"),
    (["--class-weight", "balanced"], "--class-weight is for tables"),
    (["--class-weight", "balanced", "--task", "regression", "--data", "table.csv"],
     "--class-weight balanced needs classes"),
    (["--image-size", "64x"], "--image-size: an image size is a side in pixels, such as 64, or"),
    (["--image-size", "0", "--data", "photos"], "sides from 1 to 4096; got '0'"),
    (["--image-size", "64"], "data 'digits': --image-size is for folders of images"),
    (["--image-size", "64", "--data", "photos"], "at least two folders"),
    (["--image-fit", "stretch", "--image-size", "8"], "--image-fit must be one of pad, crop, got"),
    (["--image-fit", "crop", "--data", "photos"], "give --image-size too"),
    (["--color", "cmyk", "--data", "photos"], "--color must be one of rgb, gray, got 'cmyk'"),
    (["--color", "gray", "--data", "pixel.npz"], "--color is for folders of images"),
    (["--color", "gray", "--data", "wine", "--space", "mlp"], "--color is for folders of images"),
    (["--strict", "--data", "table.csv", "--space", "mlp"], "--strict is for folders of images"),
    (["--stream", "--data", "digits"], "only a folder of images, a .npz file of images and a"),
    (["--trials", "0"], "--trials"),
    (["--epochs", "0"], "--epochs"),
    (["--batch-size", "-1"], "--batch-size"),
    (["--learning-rate", "-1"], "learning_rate must be above 0 and finite, got -1"),
    (["--learning-rate", "nan"], "--learning-rate: learning_rate must be above 0 and finite, got"),
    (["--learning-rate-schedule", "linear"], "learning_rate_schedule must be one of"),
    (["--warmup", "6"], "--warmup: warmup must be at least 0 and fewer epochs than the training"),
    (["--weight-decay", "-1"], "--weight-decay: weight_decay must be 0 or above, got -1"),
    (["--augmentation", "blur"], "cutmix, got 'blur'; several are joined by +"),
    (["--augmentation", "shift+shift_flip"], "--augmentation: "),
    (["--augmentation", "cutout", "--data", "table.csv", "--space", "mlp"], "leave it out"),
    (["--tune", "augmentation=none,cutmix", "--data", "diabetes", "--space", "mlp"],
     "--tune: augmentation"),
    (["--label-smoothing", "1"], "--label-smoothing: label_smoothing must be at least 0 and below"),
    (["--label-smoothing", "0.1", "--data", "diabetes", "--space", "mlp"], "leave it out, or at 0"),
    (["--label-smoothing", "0.1", "--tune", "label_smoothing=0.0,0.2"], "leave one of the two out"),
    (["--clip-norm", "0"], "--clip-norm: clip_norm must be above 0 and finite"),
    (["--devices", "0"], "--devices"),
    (["--devices", "3"], "batch_size must be a multiple of devices, 3"),
    (["--devices", "2"], "--devices: 2 devices need JAX: Keras shares batches among"),
    (["--tune", "devices=1,2"], "--tune: 2 devices need JAX"),
    (["--patience", "0"], "--patience"),
    (["--patience", "2", "--schedule", "halving"], "--patience 2 and --schedule halving both end"),
    (["--precision", "float16"], "--precision: precision must be one of ['float32', 'mixed_bflo"),
    (["--tune", "epochs=2,9", "--warmup", "3"], "fewer epochs than the training has, 2, got 3"),
    (["--filters", "4", "--space", "mlp", "--data", "table.csv"], "--filters 4 is for spaces of"),
    (["--filters", "0"], "--filters"),
    (["--seed", "-1"], "--seed"),
    (["--schedule", "hyper"], "--schedule must be one of hyperband, halving, pbt, got 'hyper'"),
    (["--factor", "2"], "--factor needs a schedule"),
    (["--population", "4"], "give --schedule pbt too"),
    (["--step", "2"], "give --schedule pbt too"),
    (["--schedule", "pbt"], "name them, as with --tune"),
    (["--schedule", "hyperband", "--epochs", "2"], "--schedule needs --epochs of at least"),
    (["--meter", "nope"], "--meter: unknown name 'nope'; installed meters are"),
    (["--meter", "command"], "--meter: meter 'command' cannot be made so"),
    (["--meter", "json:dumps"], "--meter: "),
    (["--meter", "nowhere:Meter"], "--meter: 'nowhere:Meter' cannot be loaded"),
    (["--reward", "acuracy"], "--reward: unknown name 'acuracy'"),
    (["--reward", "accuracy,power=-1"], "--reward: power must be above 0"),
    (["--reward", "mnasnet,target=2"], "Give the --meter that measures it"),
    (["--reward", "accuracy", "--target-ms", "2"], "give one of them"),
    (["--target-ms", "-1"], "--target-ms -1: target must be above 0"),
    (["--target-ms", "nan"], "--target-ms nan: target must be above 0"),
    (["--target-ms", "2", "--target-from", "mnasnet-a1"], "both set the target: give one"),
    (["--target-ms", "2", "--task", "regression", "--space", "mlp", "--data", "table.csv"],
     "give --limit alone"),
    (["--target-from", "NopeNet"], "--target-from: no reference network is called 'NopeNet'"),
    (["--target-from", "MobileNetV4"], "Did you mean 'MobileNetV2'?"),
    (["--target-from", "nowhere.keras"], "--target-from: there is no file nowhere.keras"),
    (["--target-from", "file.json"], "--target-from: "),
    (["--hard"], "--hard needs a target"),
    (["--limit-ms", "0"], "--limit-ms 0: limit must be above 0"),
    (["--limit-ms", "inf"], "--limit-ms inf: limit must be above 0"),
    (["--predict", "t.json", "--meter", "size"], "--predict adds up latencies"),
    (["--predict", "t.json", "--space", "convnet"], "does not say what these are"),
    (["--predict", "t.json", "--meter", "keras", "--precision", "mixed_float16"],
     "--predict: latencies are predicted from pieces that Keras times in float32"),
    (["--predict", "t.json", "--meter", "keras", "--tune", "precision=float32,mixed_bfloat16"],
     "children compute in mixed_bfloat16"),
    (["--predict", "."], "is a folder"),
    (["--predict-from", "t.json"], "--predict-from t.json says what the table of --predict is"),
    (["--predict", "t.json", "--predict-from", "no.json"], "--predict-from no.json is no file"),
    (["--predict", "file/t.json"], "/file cannot be a folder (File exists)"),
    (["--objectives", "val_accuracy"], "--objectives takes two metrics or more"),
    (["--objectives", "val_accuracy,val_accuracy"], "each once"),
    (["--objectives", "val_accuracy,latency"], "--objectives must be among reward, val_accuracy"),
    (["--objectives", "val_accuracy,parameters", "--strategy", "predictor"], "objectives"),
    (["--one-shot", "--schedule", "halving"], "do not go together"),
    (["--one-shot", "--space", "convnet"], "--one-shot needs a space"),
]  # fmt: skip
OTHERS = [
    (["nni-init", "file"], "cannot be a folder"),
    (["nni-init", "new", "--meter", "nope"], "--meter: unknown name"),
    (["nni-init", "new", "--data", "wine"], "--space mlp"),
    (["nni-init", "new", "--numeric", "--schedule", "halving"], "leave out --numeric"),
    (["nni-init", "new", "--predict", "t.json"], "--predict is for `cellwright search --host nni`"),
    (["best", "nowhere"], "nowhere holds no search"),
    (["best", "nowhere", "--top", "0"], "--top"),
    (["show", "nowhere"], "shipped are amoebanet-a"),
    (["show", "nasnet-a", "--skeleton", "nope"], "--skeleton must be one of"),
    (["show", "nasnet-a", "--image", "x"], "--image must be like 224"),
    (["show", "nasnet-a", "--image", "0"], "--image"),
    (["show", "nasnet-a", "--against", "parameters"], "--against is for the folder of a search"),
    (["show", "nasnet-a", "--classes", "1"], "--classes"),
    (["show", "nasnet-a", "--repeats", "0"], "--repeats"),
    (["show", "nasnet-a", "--trial", "1"], "--trial is for the folder of a search"),
    (["show", "nasnet-a", "--out", "file"], "--out file cannot be a folder"),
    (["show", "mlp.json", "--filters", "4"], "--filters"),
    (["report", "nowhere"], "nowhere is no run"),
    (["report", "foo://bar"], "foo://bar cannot be opened as a storage"),
    (["report", "sqlite:///none.db"], "there is no file none.db"),
    (["report", "file"], "file holds no study of Optuna"),
    (["report", "study.db", "--study", "nope"], "study.db cannot be opened"),
    (["report", "sqlite:///study.db", "--study", "nope"], "--study, one of mine; got 'nope'"),
    (["report", "sqlite:///study.db", "--space", "nasnte"], "unknown name 'nasnte'"),
    (["report", "sqlite:///study.db", "--metric", "nope"], "no trial has the metric 'nope'"),
    (["report", "sqlite:///study.db", "--metric", "rate"], "'rate' is a hyperparameter"),
    (["report", "sqlite:///study.db", "--out", "file"], "--out file cannot be a folder"),
    (["report", "sqlite:///study.db", "--top", "0"], "--top"),
    (["report", "sqlite:///study.db", "--html", "--json"], "--html with --json needs --out"),
    (["report", "done", "--study", "x"], "--study x is for an Optuna storage"),
    (["report", "done", "--space", "mlp"], "done says itself what it searches"),
    (["export", "nowhere"], "nowhere is neither a .keras file nor a folder"),
    (["export", "done"], "has none until a trial has succeeded"),
    (["export", "done", "--to", "pdf"], "--to must be one of keras, litert, onnx, openvino"),
    (["export", "done", "--to", "keras", "--int8"], "--int8 is for litert"),
    (["export", "done", "--trial", "4"], "done has no trial 4"),
    (["export", "done", "--out", "file"], "--out file cannot be a folder"),
    (["export", "done", "--trial", "0", "--data", "nowhere"], "no such data"),
    (["train", "nowhere"], "is not the folder of a search, a genotype file (.json)"),
    (["train", "done"], "done has no finished trial yet"),
    (["train", "done", "--trial", "4"], "done has no trial 4"),
    (["train", "nasnet-a"], "--data is needed: nasnet-a is a genotype"),
    (["train", "nasnet-a", "--data", "nowhere"], "data 'nowhere': no such data"),
    (["train", "mlp.json", "--data", "wine", "--skeleton", "cifar"], "--skeleton: for networks of"),
    (["train", "mlp.json", "--data", "wine", "--auxiliary"], "--auxiliary: for networks of cells"),
    (["train", "nasnet-a", "--data", "digits", "--repeats", "0"], "--repeats"),
    (["train", "nasnet-a", "--data", "digits", "--devices", "0"], "--devices"),
    (["train", "mlp.json", "--data", "wine", "--filters", "4"], "--filters is for convolutions"),
    (["train", "nasnet-a", "--data", "digits", "--drop-path", "1"], "--drop-path is a share"),
    (["train", "nasnet-a", "--data", "digits", "--test", "nowhere"], "there is no such file or"),
    (["train", "nasnet-a", "--data", "digits", "--validation", "1"], "--validation is the share"),
    (["train", "nasnet-a", "--data", "digits", "--label", "x"], "are for tables"),
    (["train", "nasnet-a", "--data", "digits", "--drop", "x"], "are for tables"),
    (["train", "mlp.json", "--data", "wine", "--task", "nope"], "task must be one of auto"),
    (["train", "mlp.json", "--data", "table.csv", "--class-weight", "x"], "must be balanced, or"),
    (["train", "nasnet-a", "--data", "digits", "--image-size", "9"], "are for folders of images"),
    (["train", "nasnet-a", "--data", "photos", "--image-fit", "crop"], "give an image_size too"),
    (["train", "nasnet-a", "--data", "digits", "--color", "gray"], "are for folders of images"),
    (["train", "mlp.json", "--data", "wine", "--strict"], "are for folders of images"),
    (["train", "nasnet-a", "--data", "digits", "--stream"], "can be read as a stream"),
    (["train", "nasnet-a", "--data", "digits", "--epochs", "0"], "--epochs"),
    (["train", "nasnet-a", "--data", "digits", "--seed", "-1"], "--seed"),
    (["train", "nasnet-a", "--data", "digits", "--seeds", "0"], "--seeds"),
    (["train", "nasnet-a", "--data", "digits", "--batch-size", "0"], "--batch-size"),
    (["train", "nasnet-a", "--learning-rate", "nan"], "--learning-rate must be above 0"),
    (["train", "nasnet-a", "--learning-rate-schedule", "x"], "--learning-rate-schedule must be"),
    (["train", "nasnet-a", "--weight-decay", "-1"], "--weight-decay must be 0 or above"),
    (["train", "nasnet-a", "--augmentation", "blur"], "none, shift, shift_flip, rand_augment"),
    (["train", "nasnet-a", "--precision", "float16"], "['float32', 'mixed_bfloat16'"),
    (["train", "nasnet-a", "--warmup", "60"], "--warmup must be at least 0 and fewer epochs than"),
    (["train", "mlp.json", "--data", "diabetes", "--label-smoothing", "0.1"], "is for classes"),
    (["train", "nasnet-a", "--clip-norm", "0"], "--clip-norm must be above 0 and finite"),
    (["train", "nasnet-a", "--data", "digits", "--out", "file"], "--out file cannot be a folder"),
    (["evaluate", "nowhere", "digits"], "nowhere does not exist: give the folder of a model"),
    (["evaluate", "done", "digits", "--label", "x", "--strict"], "done holds no trained model"),
    (["evaluate", "done", "digits", "--out", "file"], "--out file cannot be a folder"),
    (["predict", "nowhere", "table.csv"], "nowhere does not exist: give the folder of a model"),
    (["predict", "done", "table.csv", "--strict"], "done holds no trained model"),
    (["predict", "done", "table.csv", "--out", "file"], "end its name in .csv"),
    (["worker", "nowhere"], "nowhere holds no search"),
]  # fmt: skip
CASES = [(["search", *given], words) for given, words in SEARCH] + OTHERS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A file that is no folder, data, a study, and the folder of a search without a trial."""
    home = tmp_path_factory.mktemp("refused")
    for name in ("file", "file.npz", "file.json"):
        (home / name).write_text("nothing of use")
    (home / "table.csv").write_text("a,b\n1,x\n2,y\n3,x\n4,y\n")
    np.savez(home / "pixel.npz", x=np.zeros((6, 1, 1)), y=[0, 0, 0, 1, 1, 1])
    space = MLPSpace()
    (home / "mlp.json").write_text(json.dumps(space.describe(space.decode([0, 0]))))
    study = optuna.create_study(storage=f"sqlite:///{home}/study.db", study_name="mine")
    study.optimize(lambda trial: trial.suggest_float("rate", 0, 1), n_trials=2)
    (home / "photos").mkdir()
    (home / "done").mkdir()
    Settings(
        host="optuna", strategy="random", space="mlp", data="wine", trials=1, epochs=1,
        batch_size=8, learning_rate=1e-3, filters=None, seed=0, storage=None, concurrency=1,
    ).save(home / "done")  # fmt: skip
    return home


@pytest.mark.parametrize(("arguments", "words"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_what_an_option_cannot_take_is_told(arguments, words, home, cellwright):
    before = sorted(path.name for path in home.rglob("*"))
    told, code = cellwright(home, *arguments)
    assert code in (1, 2), told
    assert words in told
    assert sorted(path.name for path in home.rglob("*")) == before


ALONE = """
import contextlib, io, json, sys
from cellwright.command_line.app import main
seen, told = {}, []
for arguments in json.load(open(sys.argv[1])):
    sys.argv = ["cellwright", *arguments]
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        with contextlib.suppress(SystemExit):
            main()
    told.append(text.getvalue())
    for name in ("tensorflow", "keras", "nni", "keras_tuner", "sklearn"):
        if name in sys.modules:
            seen.setdefault(name, arguments)
print(json.dumps([seen, told]))
"""


def test_no_framework_is_imported_for_it(home):
    """A report needs scikit-learn, but only once its options are right; and so do the data that it
    bundles, which `train` reads before it looks at the recipe."""
    given = [case for case, _ in CASES if case[0] != "train" or "--data" not in case]
    (home.parent / "cases.json").write_text(json.dumps(given))
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(home.parent / "cases.json")],
        cwd=home, capture_output=True, text=True, timeout=400, check=True,
    )  # fmt: skip
    seen, _ = json.loads(done.stdout.splitlines()[-1])
    assert seen == {}


UNDER_JAX = [
    *((["search", "--meter", name, "--data", "wine", "--space", "mlp"], "--meter: ") for name in
      ("litert", "litert-int8", "litert-size", "litert-int8-size", "accuracy-int8", "onnx")),
    (["search", "--predict", "new.json"], "LiteRT files are made under TensorFlow, and Keras runs"),
    *((["export", "done", "--to", name], "and Keras runs on JAX here: set the environment variable")
      for name in ("litert", "onnx", "openvino")),
    (["export", "done", "--int8"], "LiteRT files are made under TensorFlow, and Keras runs on JAX"),
]  # fmt: skip


def test_what_the_backend_cannot_write_is_refused_without_it(home):
    (home.parent / "jax.json").write_text(json.dumps([given for given, _ in UNDER_JAX]))
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(home.parent / "jax.json")],
        cwd=home, capture_output=True, text=True, timeout=400, check=True,
        env={**os.environ, "KERAS_BACKEND": "jax", "COLUMNS": "1000"},
    )  # fmt: skip
    seen, told = json.loads(done.stdout.splitlines()[-1])
    assert seen == {}
    for (given, words), text in zip(UNDER_JAX, told, strict=True):
        assert words in text, given
        assert "files are made under TensorFlow" in text, given


def test_an_experiment_for_nni_is_written_without_a_framework(tmp_path):
    code = (
        "import sys; from cellwright.command_line.app import main\n"
        "sys.argv = ['cellwright', 'nni-init', 'new', '--data', sys.argv[1]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([n for n in ('tensorflow', 'keras', 'nni') if n in sys.modules])"
    )
    np.savez(tmp_path / "data.npz", x=np.zeros((12, 8, 8)), y=[0, 1] * 6)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data.npz")],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "new" / "trial.py").exists()


def test_every_option_of_every_command_is_tried():
    import typer

    from cellwright.command_line.app import app

    commands = typer.main.get_command(app).commands
    given = [(case[0][0], word) for case in CASES for word in case[0] if word.startswith("--")]
    # Flags alone cannot be wrong, but for those that need another option.
    free = {"--json", "--layers", "--overwrite", "--no-overwrite", "--trust", "--help"}
    shared = {o for p in commands["search"].params for o in p.opts}
    for name, command in commands.items():
        options = {tuple(p.opts) for p in command.params if any(o.startswith("--") for o in p.opts)}
        tried = {word for command, word in given if command == name}
        if name == "nni-init":
            tried |= shared
        missing = [opts for opts in options if not tried & set(opts) and not free & set(opts)]
        assert not missing, (name, missing)
