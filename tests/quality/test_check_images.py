"""check_images: every kind of issue, all forms of images, and errors."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.utils._testing import assert_array_equal

from skcnn import ImageFlattener, ImageReader, ImageResizer, load_image_folder
from skcnn.quality import check_images

RNG = np.random.default_rng(0)


def pictures(n_images, shape=(24, 24, 3)):
    """Return sharp images with every value of a byte."""
    return RNG.integers(0, 256, (n_images, *shape)).astype(np.uint8)


def kinds_of(report, which="train"):
    """Return the kinds of issues of each row with one."""
    frame = report.issues_[(report.issues_["set"] == which) & report.issues_["index"].notna()]
    return {int(row): set(part["kind"]) for row, part in frame.groupby("index")}


def names_of(report, kind, root):
    """Return the names of the training files with an issue of a kind."""
    frame = report.issues_[(report.issues_["kind"] == kind) & (report.issues_["set"] == "train")]
    return {Path(path).relative_to(root).as_posix() for path in frame["path"] if path is not None}


class TestFolders:
    def test_nothing_is_found_in_clean_images(self, clean_folder):
        report = check_images(clean_folder / "train", X_test=clean_folder / "test", rare_class=4)
        assert report.issues_.empty, report
        assert report.keep_.all()
        assert report.n_images_ == (40, 8)
        assert "No issues" in str(report)

    def test_every_kind_of_issue_is_found(self, messy):
        folder, expected = messy
        train = folder / "train"
        report = check_images(train, X_test=folder / "test", rare_class=4)
        assert {kind: names_of(report, kind, train) for kind in expected} == expected
        assert set(report.by_kind_) == {*expected, "empty_class"}
        assert report.by_kind_["empty_class"]["label"].tolist() == ["empty"]
        assert len(str(report).splitlines()) <= 28
        dropped = {
            Path(path).relative_to(train).as_posix() for path in report.paths_[~report.keep_]
        }
        unusable = ("unreadable", "truncated", "blank", "near_blank", "placeholder", "leak")
        unusable += ("exact_duplicate", "conflicting_labels")
        assert dropped == set().union(*(expected[kind] for kind in unusable))

    def test_rows_are_those_of_load_image_folder(self, clean_folder):
        report = check_images(str(clean_folder / "train"), rare_class=0)
        images = load_image_folder(clean_folder / "train", shuffle=False)
        assert_array_equal(report.paths_, images.data)
        assert_array_equal(report.labels_, images.target)

    def test_folder_without_classes(self, clean_folder):
        report = check_images(clean_folder / "train/red")
        assert report.n_images_ == (20, 0)
        assert report.labels_ is None
        assert report.class_counts_.empty


class TestForms:
    @pytest.mark.parametrize("form", ["paths", "lazy", "ragged", "array", "float", "flat"])
    def test_all_forms_give_the_same_issues(self, clean_folder, form):
        paths = load_image_folder(clean_folder / "train", shuffle=False).data[:20]
        images = np.stack(list(ImageReader().fit_transform(paths)))
        images[3], images[5], images[7] = 0, images[4], images[7] // 5
        X, options = images, {}
        if form == "paths":
            X = paths
        elif form == "lazy":
            X = ImageReader().fit_transform(paths)
        elif form == "ragged":
            X = [*images[:-1], images[-1, :50]]
        elif form == "float":
            X = images / 255
        elif form == "flat":
            X, options = images.reshape(20, -1), {"image_shape": (60, 60, 3)}
        found = kinds_of(check_images(X, **options))
        changed = {3: {"blank"}, 5: {"exact_duplicate"}, 7: {"dark"}}
        assert found == ({} if form in ("paths", "lazy") else changed)

    def test_lazy_collection_with_a_damaged_file(self, clean_folder, tmp_path):
        paths = [*load_image_folder(clean_folder / "train", return_X_y=True)[0][:9]]
        paths.append(str(tmp_path / "cut.png"))
        Path(paths[-1]).write_bytes(Path(paths[0]).read_bytes()[:2000])
        report = check_images(ImageReader().fit_transform(paths))
        assert kinds_of(report) == {9: {"unreadable"}}

    def test_values_that_are_not_finite(self):
        images = RNG.random((6, 16, 16))
        images[2, 3, 4] = np.nan
        assert kinds_of(check_images(images)) == {2: {"unreadable"}}

    def test_range_of_pixels(self):
        images = np.concatenate(
            [RNG.integers(0, 17, (10, 16, 16)), RNG.integers(0, 4, (1, 16, 16))]
        )
        options = {"low_information": 0, "near_duplicate": 1.0}
        assert kinds_of(check_images(images, **options)) == {10: {"dark"}}
        report = check_images(images, pixel_range=(0, 255), **options)
        assert kinds_of(report) == {10: {"near_blank"}}
        assert "dark: 100%" in report.notes_[0]

    @pytest.mark.parametrize("scales", [(1, 1 / 255), (1 / 255, 1), (256.0, 1 / 255)])
    def test_sets_of_different_ranges(self, scales):
        sets = pictures(10), pictures(10)
        sets[1][3] //= 8  # a dark image
        expected = check_images(sets[0], X_test=sets[1])
        assert kinds_of(expected, "test") == {3: {"dark"}}
        scaled = [
            one if scale == 1 else one * scale for one, scale in zip(sets, scales, strict=True)
        ]
        report = check_images(scaled[0], X_test=scaled[1])
        assert report.issues_["kind"].tolist() == expected.issues_["kind"].tolist()
        assert report.keep_test_.tolist() == expected.keep_test_.tolist()
        assert report.notes_[-1].startswith("pixel values: ")
        assert not any(note.startswith("pixel values") for note in expected.notes_)

    def test_does_not_depend_on_threads(self, messy):
        train = messy[0] / "train"
        reports = [check_images(train, n_jobs=n_jobs).issues_ for n_jobs in (1, 3)]
        assert reports[0].equals(reports[1])


class TestLabels:
    def test_missing_rare_and_empty_classes(self):
        y = ["a"] * 6 + ["b"] * 2 + [None, float("nan")]
        y_test = ["a"] * 3 + ["c"]
        report = check_images(pictures(10), y, pictures(4), y_test, rare_class=3)
        assert kinds_of(report) == {8: {"no_label"}, 9: {"no_label"}}
        classes = report.issues_[report.issues_["index"].isna()]
        found = set(classes[["set", "label", "kind"]].itertuples(index=False, name=None))
        assert found == {
            ("train", "b", "rare_class"),
            ("train", "c", "empty_class"),
            ("test", "b", "empty_class"),
            ("test", "c", "rare_class"),
        }
        assert report.keep_.tolist() == [True] * 8 + [False] * 2
        assert report.class_counts_.loc["a"].tolist() == [6, 3]

    def test_repeated_images(self):
        X, X_test = pictures(14), pictures(4)
        y = np.arange(14) % 2
        X[3] = X[1]  # of the same class
        X[4] = X[5]  # of another class
        X[7] = X_test[2]  # a leak
        X[[8, 9, 10, 11]] = X[12]  # with the original, five equal images of two classes
        report = check_images(X, y, X_test, rare_class=0)
        placeholders = {row: {"placeholder"} for row in range(8, 13)}
        conflicts = {4: {"conflicting_labels"}, 5: {"conflicting_labels"}}
        assert kinds_of(report) == {3: {"exact_duplicate"}, 7: {"leak"}} | placeholders | conflicts
        assert kinds_of(report, "test") == {}
        assert report.keep_.nonzero()[0].tolist() == [0, 1, 2, 6, 13]
        assert report.keep_test_.all()
        assert (report.duplicates_["kind"] == "exact").sum() == 7

    def test_blank_images_are_no_copies_of_each_other(self):
        report = check_images(np.zeros((6, 9, 9), np.uint8), np.arange(6) % 2, rare_class=0)
        assert kinds_of(report) == {row: {"blank"} for row in range(6)}
        assert report.duplicates_.empty

    def test_near_duplicates_of_all_images_are_a_note(self):
        X, _ = load_digits(return_X_y=True)
        report = check_images(X[:300])
        assert report.issues_.empty
        assert report.notes_[0].startswith("near_duplicate: ")
        assert not report.duplicates_.empty

    def test_wrong_labels(self, clean_folder):
        """Images with wrong labels are in the report if there is a classifier."""
        paths, labels = load_image_folder(clean_folder / "train", shuffle=False, return_X_y=True)
        paths, labels = [*paths, paths[0], str(clean_folder)], [*labels, "blue", "blue"]
        labels[3], labels[30] = "red", "blue"
        model = make_pipeline(
            ImageReader(), ImageResizer((4, 4)), ImageFlattener(), GaussianNB(var_smoothing=1e-2)
        )
        report = check_images(paths, labels, estimator=model)
        wrong = report.by_kind_["wrong_label"]
        assert set(wrong["index"]) == {3, 30}
        assert sorted(wrong["detail"]) == ["like 'blue'", "like 'red'"]
        assert report.keep_[[3, 30]].all()
        with pytest.warns(UserWarning, match="wrong labels were not looked for"):
            failed = check_images(paths, labels, estimator=model[1:])
        assert "wrong_label" not in failed.by_kind_
        assert "unreadable" in failed.by_kind_
        few = check_images(paths[:22], labels[:22], estimator=model)
        assert "wrong_label" not in few.by_kind_
        assert few.notes_[-1].startswith("wrong_label: not checked")


class Steps:
    """Callback that counts the parts of a pass."""

    def setup(self, estimator, context):
        self.n_parts, self.names = context.max_subtasks, []

    def on_fit_task_begin(self, estimator, context):
        self.names.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.names.append("end")


def test_callbacks_see_the_progress():
    steps = Steps()
    check_images(pictures(70, (8, 8)), callbacks=[steps])
    assert steps.n_parts == 3
    assert steps.names == ["fit", "images", "images", "images", "end"]


@pytest.mark.parametrize(
    ("parameter", "value", "kind"),
    [
        ("near_blank", 1.0, "near_blank"),
        ("dark", 1.0, "dark"),
        ("light", 0.0, "light"),
        ("blurred", 0.01, "blurred"),
        ("odd_aspect_ratio", 1.0, "odd_aspect_ratio"),
    ],
)
def test_thresholds(parameter, value, kind):
    X = [*pictures(9, (30, 40, 3)), pictures(1, (30, 39, 3))[0]]
    report = check_images(X, **{parameter: value})
    found = {*report.by_kind_, *(note.split(":")[0] for note in report.notes_)}
    assert found == {kind}


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((np.zeros((0, 8, 8)),), {}, ValueError, "X has no images"),
        ((pictures(3), [0, 1]), {}, ValueError, "y has 2 labels, but X has 3 images"),
        ((pictures(3), None, pictures(2), [0]), {}, ValueError, "y_test has 1 labels"),
        ((pictures(3), None, None, [0]), {}, ValueError, "y_test was passed without X_test"),
        ((pictures(3), [0.5, 1.5, 2.0]), {}, ValueError, "leave y out for regression"),
        ((pictures(3), np.zeros((3, 2))), {}, ValueError, "one label for each image"),
        (("no/such/folder",), {}, FileNotFoundError, "is not an existing folder"),
        ((pictures(3),), {"estimator": GaussianNB()}, ValueError, "without labels"),
        ((pictures(3),), {"estimator": 3}, ValueError, "estimator"),
        ((pictures(3),), {"dark": 2}, ValueError, "dark"),
        ((pictures(3),), {"pixel_range": (1, 0)}, ValueError, "pixel_range"),
        ((pictures(3),), {"callbacks": [Steps, 3]}, TypeError, "callbacks holds Steps"),
        ((["a.png", None],), {}, TypeError, "row 1 of X is missing"),
        ((np.array([["a", "b"]]),), {}, ValueError, "dtype"),
        ((np.array([["a", "b"]], object),), {}, ValueError, "could not convert string to float"),
        ((np.zeros((3, 64), complex),), {}, ValueError, "Complex data not supported"),
        ((np.zeros((3, 64), "M8[D]"),), {}, ValueError, "dtype"),
        ((np.arange(5.0),), {}, ValueError, "Expected 2D array, got 1D array"),
        ((3.0,), {}, ValueError, "Expected 2D array, got scalar array"),
        ((csr_array(np.ones((3, 64))),), {}, TypeError, "Sparse data was passed for X"),
        ((pictures(2), np.zeros(2, [("a", int)])), {}, ValueError, "one label for each image"),
    ],
)
def test_errors(arguments, options, error, message):
    with pytest.raises(error, match=message):
        check_images(*arguments, **options)


def test_denormal_values_are_pixels_like_others():
    X = RNG.integers(0, 256, (4, 9, 9)) * 1e-310  # 1 / 1e-310 is infinite
    assert check_images(X, None, X).by_kind_.keys() == {"leak"}


def test_errors_about_folders(clean_folder, tmp_path):
    with pytest.raises(ValueError, match="has no images"):
        check_images(tmp_path)
    with pytest.raises(ValueError, match="leave the labels out"):
        check_images(clean_folder, [0] * 48)
