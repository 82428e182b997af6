"""The scripts of the tutorials: their options, and real data sets in `--data`."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave

FOLDER = Path(__file__).parent.parent / "examples" / "02_tutorials"
SCRIPTS = sorted(FOLDER.glob("plot_*.py"))
OF_ARRAYS = {"plot_fashion_mnist": (28, 28), "plot_cifar10": (32, 32, 3)}
OF_FOLDERS = {
    "plot_caltech101": ("train", "validation"),
    "plot_blood_cells": ("train", "test"),
    "plot_guide": (".",),
}
FIGURES = {"plot_blood_cells": ["splits.png"], "plot_guide": ["roc.png"]}
LAZY = ("plot_caltech101", "plot_blood_cells")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs a script as the command line does."""
    pytest.importorskip("matplotlib").use("agg", force=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])

    def run_script(name, *options):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, options)])
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")

    yield run_script
    import matplotlib.pyplot as plt

    plt.close("all")
    sys.modules.pop("tutorial", None)


def test_every_script_is_tested():
    assert {script.stem for script in SCRIPTS} == {*OF_ARRAYS, *OF_FOLDERS}


@pytest.mark.parametrize("name", [*OF_ARRAYS, *OF_FOLDERS])
def test_help(run, name, capsys):
    with pytest.raises(SystemExit) as done:
        run(name, "--help")
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert f"python {name}.py --data" in text
    for option in ("--data", "--seeds", "--only", "--output", "--no-curves"):
        assert f"\n  {option}" in text
    assert ("\n  --lazy" in text) is (name in LAZY)


def write_arrays(path, shape):
    """Write an .npz file of images whose classes differ in brightness."""
    rng = np.random.default_rng(0)
    y = np.repeat([f"class {n}" for n in range(4)], 8)
    X = rng.integers(0, 60, (len(y), *shape)) + 60 * np.repeat(np.arange(4), 8).reshape(
        -1, *(1 for _ in shape)
    )
    X = X.astype(np.uint8)
    np.savez(path, X_train=X, y_train=y, X_test=X[::2], y_test=y[::2])


def write_folders(root, parts, n_copies):
    """Write images of different sizes, with names like those of the blood cells."""
    rng = np.random.default_rng(0)
    for part in parts:
        for number, name in enumerate(("dark", "light")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for photo in range(6):
                for copy in range(n_copies):
                    size = rng.integers(30, 50, 2)
                    image = rng.integers(0, 120, (*size, 3)) + 120 * number
                    imsave(folder / f"_{photo}_{copy}.png", image.astype(np.uint8))


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_arrays(run, name, tmp_path):
    write_arrays(tmp_path / "images.npz", OF_ARRAYS[name])
    run(name, "--data", tmp_path / "images.npz", "--output", tmp_path / "results", "--seeds", "2")
    check(tmp_path / "results", "curves.png", "confusion.png")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, []) for name in OF_FOLDERS),
        *((name, ["--lazy", "1", "--only", "tutorial"]) for name in LAZY),
    ],
    ids=str,
)
def test_folders(run, name, options, tmp_path):
    photos, results = tmp_path / "photos", tmp_path / "results"
    write_folders(photos, OF_FOLDERS[name], n_copies=4 if name == "plot_guide" else 2)
    run(name, "--data", photos, "--output", results, *options)
    check(results, "curves.png", "confusion.png", *FIGURES.get(name, []))


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_only_what_was_asked_for(run, name, tmp_path, capsys):
    write_arrays(tmp_path / "images.npz", OF_ARRAYS[name])
    options = ("--only", "tree", "HOG", "--no-curves")
    run(name, "--data", tmp_path / "images.npz", "--output", tmp_path / "results", *options)
    table = check(tmp_path / "results", "confusion.png")
    assert table["model"].tolist() == ["decision tree", "HOG, linear"]
    assert not (tmp_path / "results" / "curves.png").exists()


@pytest.mark.parametrize("name", ["plot_fashion_mnist", "plot_caltech101", "plot_guide"])
def test_no_such_model(run, name):
    with pytest.raises(SystemExit, match=r"--only perceptron is not part of a.* decision tree"):
        run(name, "--only", "tree", "perceptron", "--no-curves")


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_no_such_arrays(run, name, tmp_path):
    np.savez(tmp_path / "half.npz", X_train=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    write_arrays(tmp_path / "whole.npz", (28, 28))
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "torn.npz").write_bytes(whole[:1000])
    (tmp_path / "empty.npz").touch()
    for file in ("none.npz", "", "half.npz", "array.npy", "torn.npz", "empty.npz"):
        with pytest.raises(SystemExit, match=r"is not a \.npz file with X_train, y_train"):
            run(name, "--data", tmp_path / file)


def test_arrays_that_do_not_fit(run, tmp_path):
    write_arrays(tmp_path / "images.npz", (28, 28))
    with np.load(tmp_path / "images.npz") as file:
        arrays = dict(file)
    for others, complaint in (
        ({"y_train": np.eye(4)[np.arange(32) % 4]}, r"labels of shape \(32, 4\) for 32 images"),
        ({"y_test": arrays["y_test"][:-1]}, r"labels of shape \(15,\) for 16 images"),
        ({"y_train": np.repeat("one", 32)}, "two classes or more.* 32 of one$"),
        ({"y_train": np.repeat(["one", "other"], [31, 1])}, "5 training .* 31 of one, 1 of other$"),
        ({"y_test": np.repeat("new", 16)}, "no training images, of some classes: new$"),
    ):
        np.savez(tmp_path / "other.npz", **{**arrays, **others})
        with pytest.raises(SystemExit, match=complaint):
            run("plot_fashion_mnist", "--data", tmp_path / "other.npz")


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_a_download_that_fails(run, name, monkeypatch):
    def fails(**options):
        raise OSError("no network")

    monkeypatch.setattr(f"skcnn.datasets.fetch_{name.removeprefix('plot_')}", fails)
    with pytest.raises(SystemExit, match="--data download: no network"):
        run(name, "--data", "download")


@pytest.mark.parametrize("name", OF_FOLDERS)
def test_no_such_folders(run, name, tmp_path):
    write_folders(tmp_path / "photos", OF_FOLDERS[name], n_copies=2)
    (tmp_path / "file").touch()
    for folder in ("none", "file"):
        with pytest.raises(SystemExit, match=r"should have .*one sub-folder for each class: .*not"):
            run(name, "--data", tmp_path / folder)
    if name in LAZY:
        train, test = OF_FOLDERS[name]
        complaint = f"should have the sub-folders {train} and {test}, each with one sub-folder for"
        with pytest.raises(SystemExit, match=complaint):
            run(name, "--data", tmp_path / "photos" / train)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--seeds", "0", "fits no network: use 1 or more"),
        ("--lazy", "nan", "is negative or not a number: use 0 or more"),
        ("--output", "file", "--output file cannot be created as a folder"),
    ],
)
def test_options_that_mean_nothing(run, tmp_path, capsys, option, value, complaint):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        run("plot_caltech101", option, value)
    assert complaint in capsys.readouterr().err


def test_a_guide_without_networks(run, capsys):
    run("plot_guide", "--only", "tree")
    text = capsys.readouterr().out
    assert "area under the ROC curve" in text
    assert "found" not in text
    assert "the figures cannot be shown without a screen" in text


def test_names_that_tell_no_photo(run, tmp_path):
    """Images with other names than those of the publisher are clustered too."""
    write_folders(tmp_path / "photos", ("train", "test"), n_copies=2)
    for path in (tmp_path / "photos").rglob("*.png"):
        path.rename(path.with_name(f"image{path.stem.replace('_', '')}.png"))
    options = ("--only", "tree", "--no-curves", "--output", tmp_path / "results")
    run("plot_blood_cells", "--data", tmp_path / "photos", *options)
    check(tmp_path / "results", "splits.png")


def check(folder, *figures):
    """Check the files that a script has written, and return the table."""
    table = pd.read_csv(folder / "table.csv")
    assert table["accuracy"].between(0, 1).all()
    assert (table["lowest"] <= table["accuracy"]).all()
    assert table.loc[table["model"] == "decision tree", "accuracy"].gt(0.5).all()
    assert all((folder / figure).stat().st_size > 10_000 for figure in figures)
    return table
