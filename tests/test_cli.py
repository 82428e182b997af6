"""The command line: most tests call `main`, a few start a process."""

import csv
import importlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import skops.io
from PIL import Image
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, log_loss
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

import skcnn
from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ImageEmbedder,
    ImageFlattener,
    ImageReader,
    ImageResizer,
)
from skcnn.cli import _training_images, main
from skcnn.cli._arguments import AUGMENTATIONS, augmentations
from skcnn.cli._images import expand
from skcnn.cli._main import _plain_warnings
from skcnn.cli._models import Batch
from skcnn.cli.predict import Description, JsonWriter
from skcnn.export import trusted_types
from skcnn.preprocessing import _image_files

RNG = np.random.default_rng(0)
SMALL = ["--size", "8", "--epochs", "3"]


def write_image(path, color):
    pixels = np.clip(RNG.normal(color, 20, (10, 12, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path):
    """Folder of 12 reddish and 8 blueish images."""
    for number in range(12):
        write_image(tmp_path / f"photos/red/{number:02}.png", (200, 50, 50))
    for number in range(8):
        write_image(tmp_path / f"photos/blue/{number:02}.png", (50, 50, 200))
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """File of a pipeline for reddish and blueish images."""
    folder = tmp_path_factory.mktemp("model")
    labels = ["red", "blue"] * 8
    colors = {"red": (200, 50, 50), "blue": (50, 50, 200)}
    paths = []
    for number, label in enumerate(labels):
        paths.append(folder / f"{number}.png")
        write_image(paths[-1], colors[label])
    cnn = CNNClassifier(channels=(4,), max_epochs=5, random_state=0)
    pipe = make_pipeline(ImageReader(), ImageResizer((8, 8)), cnn).fit(paths, labels)
    skops.io.dump(pipe, folder / "model.skops")
    joblib.dump(pipe, folder / "model.joblib")
    return folder / "model.skops"


def load(path):
    return skops.io.load(path, trusted=trusted_types())


def run(*arguments):
    return main([str(argument) for argument in arguments])


def run_process(*arguments, **options):
    command = [sys.executable, "-m", "skcnn", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def one_line(text):
    assert text.count("\n") == 1, text
    return text.rstrip("\n")


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


# ------------------------------------------------------------------------------------------------
# Processes


@pytest.mark.parametrize("command", ["", "train", "check", "evaluate", "predict", "export"])
def test_help_begins_with_an_example_that_can_be_parsed(command, capsys):
    with pytest.raises(SystemExit) as done:
        main([*command.split(), "--help"])
    assert done.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "example:"
    arguments = lines[1].removeprefix("  python -m skcnn ")
    assert arguments.startswith(command)
    assert not arguments.startswith(" ")
    # each option of the example exists
    assert run(*arguments.split(), "--quiet") == 1  # there are no such files
    assert one_line(capsys.readouterr().err)


def test_help_describes_all_augmentations(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    described = capsys.readouterr().out.partition("--augment NAMES  ")[2].partition("--epochs")[0]
    assert set(AUGMENTATIONS) <= set(re.findall(r"[\w-]+", described))


def test_help_and_wrong_options_do_not_import_torch():
    script = (
        "import sys; from skcnn.cli import main\n"
        "for arguments in (['train', '--help'], ['train', '--epochs', '0']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as done: print(done.code)\n"
        "print('loaded', sorted({'torch', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\n0\n2\nloaded []\n")


def test_train_and_predict_in_processes(photos):
    folder = photos.parent
    done = run_process("train", "photos", *SMALL, "--out", "model.skops", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "Found 20 images of 2 classes: blue 8, red 12" in done.stderr
    assert re.search(r"Validation: accuracy \d\.\d{4}, balanced", done.stderr)
    listed = "photos/red/00.png\nlost.png\nphotos/blue/00.png\n"
    done = run_process("predict", "model.skops", "-", cwd=folder, input=listed)
    assert done.returncode == 1
    rows = read_csv(done.stdout)
    assert [row["path"] for row in rows] == listed.split()
    expected = load(folder / "model.skops").predict([photos / "red/00.png", photos / "blue/00.png"])
    assert [row["label"] for row in rows] == [expected[0], "", expected[1]]
    assert "does not exist" in rows[1]["error"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_interrupt_ends_with_130_and_leaves_no_file(photos):
    command = [sys.executable, "-m", "skcnn", "train", str(photos), "--size", "8"]
    command += ["--epochs", "100000", "--out", str(photos.parent / "model.skops")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("Training on"):
            break
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert error == "\npython -m skcnn train: interrupted\n"
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


# ------------------------------------------------------------------------------------------------
# Errors


def test_interrupt_that_an_import_ignores(tmp_path, monkeypatch, capsys):
    (tmp_path / "ignores_interrupts.py").write_text(
        "import signal\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def import_and_wait(args):
        importlib.import_module("ignores_interrupts")
        time.sleep(30)
        return 0

    monkeypatch.setattr("skcnn.cli.check.run", import_and_wait)
    assert run("check", tmp_path) == 130
    assert capsys.readouterr().err.endswith(": interrupted\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_command_shows_the_help(capsys):
    assert main([]) == 2
    assert "train     train a network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train photos", "the following arguments are required: -o/--out"),
        ("train photos --out m.skops --size 0", "'0' is neither a number of pixels"),
        ("train photos --out m.skops --size 1x2x3", "'1x2x3' is neither a number of pixels"),
        ("train photos --out m.skops --epochs 0", "'0' is not a whole number of at least 1"),
        ("train photos --out m.skops --batch-size 1", "'1' is not a whole number of at least 2"),
        ("train photos --out m.skops --learning-rate nan", "'nan' is not a number above 0"),
        ("train photos --out m.skops --seed -1", "'-1' is not a whole number from 0"),
        ("train photos --out m.skops --validation 1", "1 is not a fraction"),
        ("train photos --out m.skops --augment flips", "'flips' is unknown: use one or more of"),
        ("predict m.skops p.png --top 2 --probabilities", "not allowed with argument"),
        ("tran", "invalid choice: 'tran'"),
        ("train photos --out m.skops --sise 9", "--sise 9 (python -m skcnn train --help lists"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as done:
        main(arguments.split())
    assert done.value.code == 2
    assert message in one_line(capsys.readouterr().err)


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    """Folder of images, and of tables and models that cannot be used."""
    folder = tmp_path_factory.mktemp("wrong")
    images = [f"photos/{color}/{number:02}.png" for color in ("red", "blue") for number in range(9)]
    images += ["one/a/1.png", "one/a/2.png", "few/a/1.png", "few/b/1.png", "few/b/2.png"]
    for name in images:
        write_image(folder / name, 100)
    (folder / "old.skops").write_text("text")
    (folder / "bad.joblib").write_bytes(b"")
    (folder / "m.joblib").write_bytes(pickle.dumps(0))
    (folder / "t.csv").write_text("path,class\nred/00.png,red\n")
    (folder / "e.csv").write_text("path,label\nred/00.png,red\nred/01.png,\n")
    (folder / "none.csv").write_text("path,label\n")
    (folder / "two.csv").write_text("path,label,label\nred/00.png,red,blue\n")
    (folder / "blank.csv").write_text("path,label\nred/00.png, \n")
    (folder / "comma.csv").write_text("path,label\nred/00.png,Paris, Texas\n")
    with zipfile.ZipFile(folder / "bomb.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(2**26 + 1))
    (folder / "junk.joblib").write_bytes(b"junk")
    cnn = CNNClassifier(channels=(2,), max_epochs=1).fit(RNG.normal(size=(4, 4, 4)), [0, 1, 0, 1])
    skops.io.dump(cnn, folder / "arrays.skops")
    labels = np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
    paths = [folder / f"photos/red/0{row}.png" for row in range(4)]
    several = make_pipeline(ImageReader(), ImageResizer((4, 4)), clone(cnn)).fit(paths, labels)
    skops.io.dump(several, folder / "several.skops")
    tree = DecisionTreeClassifier().fit([[0], [1]], [0, 1])
    skops.io.dump(make_pipeline(ImageReader(), tree), folder / "tree.skops")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ("train --out m.skops", "no images are given", 2),
        ("train photos --out m.onnx", "must be a file whose name ends in .skops or .joblib", 2),
        ("train photos --out m.skops --network fats", "did you mean 'fast'", 2),
        ("train photos --out m.skops --transfer resnet", "did you mean 'resnet", 2),
        ("train --out m.skops --transfer photos", "put the folder before --transfer", 2),
        ("train photos --out m.skops --network fast --transfer", "exclude each other", 2),
        ("train photos --out m.skops --fine-tune all", "--fine-tune needs --transfer", 2),
        ("train photos --out m.skops --device cuda:99", "is not available", 1),
        ("train lost --out m.skops", "the image folder 'lost' does not exist", 1),
        ("train photos --out lost/m.skops", "the folder 'lost' of --out", 1),
        ("train photos --out photos", "must be a file whose name ends in", 2),
        ("train photos --out old.skops", "exists: choose another name, or use --force", 1),
        ("train photos --csv lost.csv --out m.skops", "the table 'lost.csv' does not exist", 1),
        ("train photos --csv t.csv --out m.skops", "has no column 'label', but 'path', 'class'", 1),
        ("train --csv photos --out m.skops", "the table 'photos' is a folder", 1),
        ("train --csv two.csv --out m.skops", "has 2 columns 'label': rename them", 1),
        ("train --csv blank.csv --out m.skops", "line 2 of 'blank.csv' has no path or no label", 1),
        ("train --csv comma.csv --out m.skops", "line 2 of 'comma.csv' has more values", 1),
        ("train photos --csv e.csv --out m.skops", "line 3 of 'e.csv' has no path or no label", 1),
        ("train --csv none.csv --out m.skops", "the table 'none.csv' has no rows", 1),
        ("train one --out m.skops", "all images are of the class 'a'", 1),
        ("train few --out m.skops", "the class 'a' has only one image", 1),
        ("train photos --out m.skops --validation 0.05", "leaves some of the 2 classes without", 1),
        ("train photos --out m.skops --validation few", "class 'a', which the model does not", 1),
        ("predict photos photos", "the model file 'photos' is a folder", 1),
        ("predict several.skops photos", "predicts several labels for each image", 1),
        ("evaluate several.skops photos", "predicts several labels for each image", 1),
        ("predict bomb.skops photos", "its contents are 67,108,865 bytes, more than 20 times", 1),
        ("predict junk.joblib photos --trust-pickle", "is damaged or not a file of joblib", 1),
        ("predict lost.skops photos", "the model file 'lost.skops' does not exist", 1),
        ("predict photos/red/00.png photos", "ends in neither .skops nor .joblib", 2),
        ("predict old.skops photos", "is damaged or not a file of skops", 1),
        ("predict arrays.skops photos", "takes arrays, because its first step is CNN", 1),
        ("predict m.joblib photos", "if you trust its author, add --trust-pickle", 2),
        ("predict bad.joblib photos --trust-pickle", "is damaged or not a file of joblib", 1),
        ("predict tree.skops photos", "not trusted: sklearn.tree._tree.Tree", 1),
        ("evaluate m.skops photos --out a.html --report ./a.html", "are both 'a.html'", 2),
        ("check photos --out a.html --report a.html", "are both 'a.html': name two files", 2),
        ("check lost", "the folder 'lost' does not exist", 1),
        ("check photos --test old.skops", "the folder 'old.skops' is a file", 1),
        ("check photos --report r.pdf", "must be a file whose name ends in .html", 2),
        ("export arrays.skops --out m.onx", "must be a file whose name ends in .onnx", 2),
    ],
)
def test_errors_are_one_sentence_before_training(
    arguments, message, code, wrong_files, monkeypatch, capsys
):
    monkeypatch.chdir(wrong_files)
    monkeypatch.setattr(CNNClassifier, "fit", lambda *_: pytest.fail("training has started"))
    assert run(*arguments.split(), "-q") == code
    assert message in one_line(capsys.readouterr().err)
    assert not (wrong_files / "m.skops").exists()


def test_errors_of_the_system_name_the_file(wrong_files, monkeypatch, capsys):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.chdir(wrong_files)
    monkeypatch.setattr("skcnn.cli._images.open", refuse, raising=False)
    assert run("train", "--csv", "t.csv", "--out", "m.skops") == 1
    assert one_line(capsys.readouterr().err).endswith("train: 't.csv': Permission denied")


def test_debug_raises_the_error():
    with pytest.raises(FileNotFoundError):
        run("check", "lost", "--debug")


def test_unexpected_error_is_one_sentence_with_its_type(photos, monkeypatch, capsys):
    def fit(*_):
        raise KeyError("x")

    monkeypatch.setattr(CNNClassifier, "fit", fit)
    assert run("train", photos, "--out", photos.parent / "m.skops", "-q") == 1
    expected = "python -m skcnn train: KeyError: 'x' (--debug shows where it happened)"
    assert one_line(capsys.readouterr().err) == expected


# ------------------------------------------------------------------------------------------------
# train


def test_train_gives_the_model_of_the_same_python_code(photos, tmp_path):
    out = tmp_path / "model.skops"
    options = ["--validation", "0", "--learning-rate", "0.01", "--batch-size", "4", "--seed", "3"]
    options += ["--augment", "flip,shift", "--aspect", "crop", "--class-weight", "balanced"]
    assert run("train", photos, *SMALL, *options, "--out", out, "-q") == 0
    found = load(out)
    X, y = skcnn.load_image_folder(photos, return_X_y=True)
    expected = make_pipeline(
        ImageReader(),
        ImageResizer((8, 8), aspect="crop", lazy=True),
        skcnn.ImageAugmenter(horizontal_flip=True, shift=0.1, random_state=3),
        CNNClassifier(
            learning_rate=0.01, batch_size=4, max_epochs=3, class_weight="balanced", random_state=3
        ),
    ).fit(X, y)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_validation_scores_are_those_of_the_images_left_out(photos, tmp_path, monkeypatch, capsys):
    n_decoded = []

    def read_image(*args, read_image=_image_files.read_image, **options):
        n_decoded.append(1)
        return read_image(*args, **options)

    monkeypatch.setattr(_image_files, "read_image", read_image)
    for number in range(4):
        write_image(tmp_path / f"val/red/{number}.png", (200, 50, 50))
        write_image(tmp_path / f"val/blue/{number}.png", (150, 50, 90))
    out = tmp_path / "model.joblib"
    assert run("train", photos, *SMALL, "--validation", tmp_path / "val", "--out", out) == 0
    assert len(n_decoded) == 28  # each image once
    X, y = skcnn.load_image_folder(tmp_path / "val", return_X_y=True)
    loaded = joblib.load(out)
    expected = (
        f"Validation: accuracy {loaded.score(X, y):.4f}, balanced accuracy "
        f"{balanced_accuracy_score(y, loaded.predict(X)):.4f}, log loss "
        f"{log_loss(y, loaded.predict_proba(X)):.4f}"
    )
    message = capsys.readouterr().err
    assert expected in message
    assert "Training on 20 images, validating on 8 other images" in message
    assert not hasattr(loaded[-1], "_skl_callbacks")


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1 second"), (2, "2 seconds"), (90, "1.5 minutes")]
)
def test_duration_of_training(seconds, text, photos, tmp_path, monkeypatch, capsys):
    times = iter([0, seconds])
    monkeypatch.setattr("skcnn.cli.train.time", SimpleNamespace(monotonic=lambda: next(times)))
    out = tmp_path / "m.skops"
    assert run("train", photos, "--size", "8", "--epochs", "1", "--out", out) == 0
    assert f"Trained for 1 epoch in {text}\n" in capsys.readouterr().err


def test_train_on_a_table_in_gray(photos, tmp_path):
    rows = "".join(
        f"{path.relative_to(tmp_path)},{path.parent.name}\n" for path in photos.glob("*/*")
    )
    (tmp_path / "table.csv").write_text(f"file,kind\n{rows}", encoding="utf-8-sig")
    columns = ["--path-column", "file", "--label-column", "kind", "--gray", "--early-stopping"]
    out = tmp_path / "model.skops"
    assert run("train", "--csv", tmp_path / "table.csv", *columns, *SMALL, "--out", out, "-q") == 0
    found = load(out)
    assert found.classes_.tolist() == ["blue", "red"]
    assert found[-1].image_shape_ == (8, 8, 1)
    assert found[-1].early_stopping


def test_damaged_images_stop_training_unless_left_out(photos, tmp_path, capsys):
    data = (photos / "red/00.png").read_bytes()
    (photos / "red/00.png").write_bytes(data[: len(data) // 2])
    out = tmp_path / "model.skops"
    assert run("train", photos, *SMALL, "--out", out) == 1
    assert "1 of 20 images cannot be read, such as" in capsys.readouterr().err
    assert not out.exists()
    assert run("train", photos, *SMALL, "--out", out, "--skip-damaged") == 0
    assert "Found 19 images of 2 classes: blue 8, red 11" in capsys.readouterr().err
    rows = [f"{path},{path.parent.name}\n" for path in [*photos.glob("*/*"), Path("lost/red")]]
    (tmp_path / "table.csv").write_text(f"path,label\n{''.join(rows)}")
    table = ["--csv", tmp_path / "table.csv", "--validation", "0"]
    assert run("train", *table, *SMALL, "--out", out, "--skip-damaged", "--force") == 0
    text = capsys.readouterr().err
    assert "Left out 2 of 21 images that cannot be read.\n" in text
    assert "Training on 19 images\n" in text


def test_images_are_read_in_any_order(photos, monkeypatch):
    monkeypatch.setattr(_training_images, "_CHECKED", 3)
    paths = np.array(sorted(map(str, photos.glob("*/*"))), dtype=object)
    damaged = [0, 7, 8, 19]
    for row in damaged:
        Path(paths[row]).write_bytes(b"text")
    reader = ImageReader()
    images = make_pipeline(reader, ImageResizer((8, 8), lazy=True)).fit_transform(paths)
    order = np.random.default_rng(0).permutation(20)
    args = SimpleNamespace(quiet=True)
    errors = _training_images._read_all(images, paths, reader, order, args)
    assert errors.tolist() == reader.find_errors(paths).tolist()
    assert np.flatnonzero(errors != "").tolist() == damaged


def test_transfer(photos, tmp_path):
    out = tmp_path / "model.skops"
    options = ["--transfer", "--size", "32x40", "--epochs", "1", "--validation", "0"]
    assert run("train", photos, *options, "--out", out, "-q") == 0
    found = load(out)
    assert found[-1].backbone == "efficientnet_lite0"
    assert found[-1].image_shape_ == (32, 40, 3)


def test_existing_model_is_replaced_only_by_force_and_success(photos, tmp_path, monkeypatch):
    out = tmp_path / "model.skops"
    out.write_text("old")
    assert run("train", photos, *SMALL, "--out", out, "-q") == 1
    monkeypatch.setattr(skops.io, "dump", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    assert run("train", photos, *SMALL, "--out", out, "-q", "--force") == 1
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.skops", "photos"]
    monkeypatch.undo()
    assert run("train", photos, *SMALL, "--out", out, "-q", "--force") == 0
    assert load(out).classes_.tolist() == ["blue", "red"]


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_are_parameters_of_the_augmenter(name):
    skcnn.ImageAugmenter(**augmentations(name))._validate_params()


# ------------------------------------------------------------------------------------------------
# predict


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_predict_folders_patterns_and_files(model, photos, batch_size, monkeypatch, capsys):
    monkeypatch.chdir(photos.parent)
    (photos / "notes.txt").write_text("not an image")
    (photos / "[1].txt").write_text("neither, but named")
    paths = ["photos/blue", "photos/red/0*.png", "photos/red/11.png", "photos/[1].txt"]
    code = run("predict", model, *paths, "--batch-size", batch_size)
    rows = read_csv(capsys.readouterr().out)
    names = [*(f"photos/blue/{n:02}.png" for n in range(8))]
    names += [*(f"photos/red/{n:02}.png" for n in range(10)), "photos/red/11.png"]
    assert code == 1
    assert [row["path"] for row in rows] == [*names, "photos/[1].txt"]
    proba = load(model).predict_proba(names)
    labels = np.array(["blue", "red"])[proba.argmax(axis=1)]
    assert [row["label"] for row in rows[:-1]] == labels.tolist()
    found = [float(row["probability"]) for row in rows[:-1]]
    np.testing.assert_allclose(found, proba.max(axis=1), rtol=1e-5)
    assert "is not an image" in rows[-1]["error"]
    assert {row["error"] for row in rows[:-1]} == {""}


def test_predict_top_and_all_probabilities(model, photos, capsys):
    path = photos / "red/00.png"
    proba = load(model).predict_proba([path])[0]
    assert run("predict", model, path, "--top", "5", "-q") == 0
    row = read_csv(capsys.readouterr().out)[0]
    order = ["blue", "red"][:: 1 if proba[0] > proba[1] else -1]
    assert [row["label"], row["label_2"]] == order
    found = [row["probability"], row["probability_2"]]
    np.testing.assert_allclose([float(one) for one in found], sorted(proba)[::-1], rtol=1e-5)
    assert run("predict", model, path, "--probabilities", "-q") == 0
    row = read_csv(capsys.readouterr().out)[0]
    found = [float(row[f"probability_{name}"]) for name in ("blue", "red")]
    np.testing.assert_allclose(found, proba, rtol=1e-5)


def test_predict_json_to_a_file(model, photos, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert run("predict", model, photos / "red/00.png", "lost.png", "--out", out) == 1
    found, error = json.loads(out.read_text())
    assert found["path"] == str(photos / "red/00.png")
    assert found["probability"] == load(model).predict_proba([found["path"]]).max()
    assert "does not exist" in error["error"]
    assert capsys.readouterr().out == ""
    assert run("predict", model, photos, "--out", out) == 1  # exists
    assert run("predict", model, photos, "--format", "json", "-q") == 0
    assert len(json.loads(capsys.readouterr().out)) == 20


def test_a_file_of_predictions_is_complete_or_not_there(model, photos, tmp_path, capsys):
    out, link = tmp_path / "out.json", tmp_path / "link.json"
    (tmp_path / "none").mkdir()
    long = tmp_path / f"{'x' * 250}.json"
    assert run("predict", model, photos / "red", "--out", long, "-q") == 0
    assert run("predict", model, tmp_path / "none", "--out", out) == 1
    assert not out.exists()
    out.write_text("old")
    link.symlink_to(out)
    assert run("predict", model, tmp_path / "none", "--out", link, "--force") == 1
    assert out.read_text() == "old"
    assert run("predict", model, photos / "red", "--out", link, "--force") == 0
    assert link.is_symlink()
    assert len(json.loads(out.read_text())) == 12
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_numbers_that_json_does_not_have():
    stream = io.StringIO()
    writer = JsonWriter(stream, Description(None, 1, False))
    writer.write(Batch(["a.png"], [""], np.array([[np.nan, np.inf, 1.5]])))
    writer.close()
    assert json.loads(stream.getvalue(), parse_constant=pytest.fail) == [
        {"path": "a.png", "value": [None, None, 1.5]}
    ]


@pytest.mark.parametrize(("stream", "path"), [("stdin", "-"), ("stdout", None), ("stderr", None)])
def test_closed_streams(stream, path, model, photos, monkeypatch, capsys):
    monkeypatch.setattr(sys, stream, None)
    code = run("predict", model, path or photos / "red")
    if stream == "stderr":
        assert code == 0
    else:
        assert code == 2
        assert "is closed" in one_line(capsys.readouterr().err)


def test_predict_nothing(model, tmp_path, capsys):
    assert run("predict", model, tmp_path, "--format", "json") == 1
    assert json.loads(capsys.readouterr().out) == []


def test_predict_does_not_depend_on_the_root_of_the_reader(model, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos)
    pipe = load(model).set_params(imagereader__root="/elsewhere")
    skops.io.dump(pipe, tmp_path / "root.skops")
    assert run("predict", tmp_path / "root.skops", "red", "-q") == 0


def test_predict_uses_no_cache_that_the_file_names(photos, tmp_path):
    paths = sorted(map(str, photos.glob("*/0[0-3].png")))
    network = CNNRegressor(channels=(2,), max_epochs=1, image_shape=(8, 8, 3))
    network.fit(RNG.uniform(0, 255, (8, 8, 8, 3)), np.arange(8.0))
    embedder = ImageEmbedder(network, memory=str(tmp_path / "cache"))
    steps = ImageReader(), ImageResizer((8, 8)), embedder, LogisticRegression()
    pipe = make_pipeline(*steps).fit(paths, ["a", "b"] * 4)
    shutil.rmtree(tmp_path / "cache")
    skops.io.dump(pipe, tmp_path / "model.skops")
    assert run("predict", tmp_path / "model.skops", photos, "-q") == 0
    assert not (tmp_path / "cache").exists()


def test_predict_with_a_pickle(model, photos, capsys):
    path = model.with_suffix(".joblib")
    assert run("predict", path, photos, "--trust-pickle", "-q") == 0
    assert len(read_csv(capsys.readouterr().out)) == 20


def test_predict_numbers_of_a_regressor(photos, tmp_path, capsys):
    paths = sorted(photos.glob("*/*.png"))
    cnn = CNNRegressor(channels=(2,), max_epochs=1, random_state=0)
    pipe = make_pipeline(ImageReader(), ImageResizer((8, 8)), cnn).fit(paths, np.arange(20.0))
    skops.io.dump(pipe, tmp_path / "model.skops")
    assert run("predict", tmp_path / "model.skops", *paths, "-q") == 0
    found = [float(row["value"]) for row in read_csv(capsys.readouterr().out)]
    np.testing.assert_allclose(found, pipe.predict(paths), rtol=1e-5)
    assert run("predict", tmp_path / "model.skops", *paths, "-q", "--top", "2") == 2


def test_a_dash_is_standard_output(model, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("predict", model, photos, "-q") == 0
    expected = capsys.readouterr().out
    assert run("predict", model, photos, "-q", "--out", "-") == 0
    assert capsys.readouterr().out == expected
    assert not (tmp_path / "-").exists()


def test_errors_that_are_not_about_files_are_raised(photos, tmp_path, capsys):
    paths = sorted(photos.glob("*/*.png"))
    pipe = make_pipeline(ImageReader(), ImageResizer((4, 4)), ImageFlattener(), CNNClassifier())
    pipe[0].fit(paths)
    joblib.dump(pipe, tmp_path / "unfitted.joblib")
    assert run("predict", tmp_path / "unfitted.joblib", photos, "-q", "--trust-pickle") == 1
    assert "not fitted" in one_line(capsys.readouterr().err)


# ------------------------------------------------------------------------------------------------
# evaluate, check, export


def test_evaluate_prints_scores_of_readable_images(model, photos, tmp_path, monkeypatch, capsys):
    n_predicted = []

    def predict_proba(cnn, X, predict_proba=CNNClassifier.predict_proba):
        n_predicted.append(len(X))
        return predict_proba(cnn, X)

    monkeypatch.setattr(CNNClassifier, "predict_proba", predict_proba)
    paths = sorted(photos.glob("*/*.png"))
    (photos / "red/99.png").write_bytes(b"")
    report = tmp_path / "report.html"
    code = run("evaluate", model, photos, "--json", "--report", report, "--batch-size", "6")
    assert code == 1
    found = json.loads(capsys.readouterr().out)
    assert sum(n_predicted) == 20  # once, also with a report
    y = [path.parent.name for path in paths]
    pipe = load(model)
    proba = pipe.predict_proba(paths)
    assert found["n_images"] == 20
    assert found["accuracy"] == pipe.score(paths, y)
    assert found["balanced_accuracy"] == balanced_accuracy_score(y, pipe.predict(paths))
    assert found["log_loss"] == pytest.approx(log_loss(y, proba), rel=1e-6)
    assert np.sum(found["confusion_matrix"]) == 20
    assert found["classes"]["red"]["n_images"] == 12
    assert list(found["errors"]) == [str(photos / "red/99.png")]
    assert report.read_text().startswith("<!DOCTYPE html>")


def test_evaluate_prints_tables(model, photos, capsys):
    assert run("evaluate", model, photos, "-q") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["images", "20"]
    assert [line.split()[:2] for line in lines[6:8]] == [["blue", "8"], ["red", "12"]]
    counts = [[int(one) for one in line.split()[1:]] for line in lines[-2:]]
    assert np.sum(counts, axis=1).tolist() == [8, 12]


def test_labels_are_those_of_predict(photos, tmp_path, capsys):
    paths = sorted(photos.glob("*/*.png"))
    y = [path.parent.name for path in paths]
    final = FixedThresholdClassifier(
        DummyClassifier(), threshold=0.7, pos_label="red", response_method="predict_proba"
    )
    pipe = make_pipeline(ImageReader(), ImageResizer((8, 8)), ImageFlattener(), final).fit(paths, y)
    skops.io.dump(pipe, tmp_path / "model.skops")
    expected, proba = pipe.predict(paths), pipe.predict_proba(paths)
    assert (expected != pipe.classes_[proba.argmax(axis=1)]).any()  # not the most probable class
    report = tmp_path / "report.html"
    model, options = tmp_path / "model.skops", ["--batch-size", "7", "-q"]
    assert run("predict", model, *paths, "--top", "2", *options) == 0
    rows = read_csv(capsys.readouterr().out)
    assert [row["label"] for row in rows] == expected.tolist()
    for row, one in zip(rows, proba, strict=True):
        found = {row["label"]: row["probability"], row["label_2"]: row["probability_2"]}
        np.testing.assert_allclose([float(found[name]) for name in ("blue", "red")], one, rtol=1e-5)
    assert run("evaluate", model, photos, "--json", "--report", report, *options) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == pipe.score(paths, y)
    assert found["confusion_matrix"] == confusion_matrix(y, expected).tolist()
    assert f"{100 * pipe.score(paths, y):.1f}%" in report.read_text()


def test_labels_of_equal_probabilities_are_those_of_predict(photos, tmp_path, capsys):
    paths = sorted(photos.glob("*/*.png"))[4:12]  # 4 images of each class
    y = [path.parent.name for path in paths]
    steps = ImageReader(), ImageResizer((8, 8)), ImageFlattener(), DummyClassifier()
    pipe = make_pipeline(*steps).fit(paths, y)
    skops.io.dump(pipe, tmp_path / "model.skops")
    assert run("predict", tmp_path / "model.skops", paths[0], "--top", "2", "-q") == 0
    row = read_csv(capsys.readouterr().out)[0]
    assert (row["label"], row["label_2"]) == ("blue", "red")
    assert pipe.predict(paths[:1]) == ["blue"]


def test_evaluate_classes_that_are_numbers(photos, tmp_path, capsys):
    paths = sorted(photos.glob("*/*.png"))
    y = [int(path.parent.name == "red") for path in paths]
    cnn = CNNClassifier(channels=(2,), max_epochs=1, random_state=0)
    pipe = make_pipeline(ImageReader(), ImageResizer((8, 8)), cnn).fit(paths, y)
    skops.io.dump(pipe, tmp_path / "model.skops")
    for old, new in (("red", "1"), ("blue", "0")):
        (photos / old).rename(photos / new)
    assert run("evaluate", tmp_path / "model.skops", photos, "--json", "-q") == 0
    expected = pipe.score(sorted(photos.glob("*/*.png")), sorted(y))
    assert json.loads(capsys.readouterr().out)["accuracy"] == expected
    (photos / "0").rename(photos / "2")
    assert run("evaluate", tmp_path / "model.skops", photos, "-q") == 1
    assert "have the class '2', which the model does not know" in capsys.readouterr().err


def test_most_frequent_confusions_of_many_classes():
    from skcnn.cli.evaluate import Evaluation

    classes = [f"class {number}" for number in range(20)]
    true = np.array([0, 0, 1, *range(20)])
    proba = np.eye(20)[[3, 3, 4, *range(20)]]
    lines = Evaluation(classes, true, proba.argmax(axis=1), proba).as_text().splitlines()
    assert lines[-2:] == [
        "      2  class 0 predicted as class 3",
        "      1  class 1 predicted as class 4",
    ]


def test_check_prints_issues_and_ends_with_1_for_unusable_images(photos, tmp_path, capsys):
    assert run("check", photos, "-q") == 0
    assert capsys.readouterr().out.endswith("All images can be used.\n")
    (photos / "red/copy.png").write_bytes((photos / "red/00.png").read_bytes())
    out, report = tmp_path / "issues.csv", tmp_path / "quality.html"
    assert run("check", photos, "--csv", "--out", out, "--report", report) == 1
    rows = read_csv(out.read_text())
    copies = [row["path"] for row in rows if row["kind"] == "exact_duplicate"]
    assert copies == [str(photos / "red/copy.png")]
    assert report.read_text().startswith("<!DOCTYPE html>")
    assert run("check", photos, "-q") == 1
    text = capsys.readouterr().out
    assert "Not usable:\n  exact duplicate: 1 (equal to an earlier image of the set)\n" in text
    expected = "  rare class: 2 (class of few images)\n    class blue: has 8 train images\n"
    assert f"Worth a look:\n{expected}" in text
    assert text.endswith("1 of 21 images cannot be used, or repeat others\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_check_a_folder_whose_name_is_in_another_encoding(tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path / "photos") + b"/caf\xe9")
    for number in range(3):
        write_image(Path(folder, f"{number}.png"), 100)
    run("check", tmp_path / "photos", "--report", tmp_path / "r.html", "-o", tmp_path / "r.txt")
    assert "caf\\udce9" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert b"caf\xe9" in (tmp_path / "r.txt").read_bytes()


def test_check_finds_copies_of_test_images(photos, tmp_path, capsys):
    (tmp_path / "test/red").mkdir(parents=True)
    (tmp_path / "test/red/0.png").write_bytes((photos / "red/00.png").read_bytes())
    assert run("check", photos, "--test", tmp_path / "test", "-q") == 1
    assert "leak: 1 (training image equal to a test image)" in capsys.readouterr().out


def test_export_gives_the_same_predictions(model, photos, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "model.onnx"
    assert run("export", model, "--out", out, "--photos", photos) == 0
    assert "comparing the predictions for 8 images" in capsys.readouterr().err
    paths = sorted(photos.glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    session = onnxruntime.InferenceSession(out)
    labels, proba = session.run(["label", "probabilities"], {"images": images})
    assert labels.tolist() == load(model).predict(paths).tolist()
    np.testing.assert_allclose(proba, load(model).predict_proba(paths), atol=1e-4)


def test_export_with_photos_that_cannot_be_read(model, tmp_path, capsys):
    arguments = ["--out", tmp_path / "model.onnx", "--photos", tmp_path]
    assert run("export", model, *arguments, "-q") == 1
    assert "there are no images in" in one_line(capsys.readouterr().err)
    (tmp_path / "empty.png").touch()
    assert run("export", model, *arguments, "-q") == 1
    error = one_line(capsys.readouterr().err)
    assert f"the image file '{tmp_path / 'empty.png'}' is empty (0 bytes). Remove the" in error
    assert run("export", model, "--out", tmp_path / "model.onnx", "--photos", "", "-q") == 2
    assert "a path is empty" in one_line(capsys.readouterr().err)


def test_paths_are_expanded_one_by_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b/2.png", "b/1.JPG", "b/a/3.gif", "b/.hidden.png", "b/notes.txt", "c[1].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "stdin", io.StringIO("x.png\n\n \ny z.png\r\n"))
    urls = ["s3://bucket/a.png", "https://host/a.png?size=8"]
    arguments = ["b", "-", "c[1].png", "b/*.png", "**/3*", "no*.png", "lost.png", *urls]
    assert list(expand(arguments)) == [
        *("b/1.JPG", "b/2.png", "b/a/3.gif"),
        *("x.png", "y z.png"),
        *("c[1].png", "b/2.png", "b/a/3.gif", "no*.png", "lost.png"),
        *urls,
    ]


def test_folders_behind_links_are_searched_once(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/1.png").touch()
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        (tmp_path / "photos" / name).symlink_to(tmp_path / "other")
    (tmp_path / "other/back").symlink_to(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    assert list(expand(["photos"])) == ["photos/a/1.png"]


def test_a_folder_that_cannot_be_read(model, photos, monkeypatch, capsys):
    def scan(folder, scan=os.scandir):
        if str(folder).endswith("red"):
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scan)
    assert run("predict", model, photos, "-q") == 1
    message = f"the folder '{photos / 'red'}' cannot be read: Permission denied"
    assert message in one_line(capsys.readouterr().err)


# ------------------------------------------------------------------------------------------------
# Progress and warnings


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("quiet", [False, True])
def test_bars_show_the_time_left_unless_quiet(photos, tmp_path, quiet, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    out = tmp_path / "model.skops"
    assert run("train", photos, *SMALL, "--out", out, *(["--quiet"] if quiet else [])) == 0
    if quiet:
        assert stream.getvalue() == ""
        return
    assert re.search(r"training: 100%.* 3/3 \[\d\d:\d\d<00:00.*epoch.*loss=\d", stream.getvalue())
    assert "reading: 100%" in stream.getvalue()
    assert run("predict", out, photos, "--out", tmp_path / "found.csv") == 0
    assert "predicting: 100%" in stream.getvalue()
    assert run("check", photos) == 0
    assert re.search("checking: 100%.*part", stream.getvalue())


def test_warnings_are_one_line(photos, tmp_path, capsys):
    write_image(photos / "outside.png", 100)
    assert run("train", photos, *SMALL, "--out", tmp_path / "model.skops", "-q") == 0
    text = one_line(capsys.readouterr().err)
    assert text.startswith("warning: not loaded from ")
    assert text.endswith("1 image outside the class folders, such as 'outside.png'")


def test_a_warning_is_shown_once(capsys):
    with _plain_warnings():
        warnings.simplefilter("always")
        for message in ("two\nlines", "two\nlines", "another"):
            warnings.warn(message, stacklevel=1)
    assert capsys.readouterr().err == "warning: two lines\nwarning: another\n"
