"""Models of timm as backbones: real ones where timm can be imported, and small substitutes."""

import pickle
import sys
import warnings
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn
from torch.nn import functional

from skcnn import ImageEmbedder, TransferClassifier
from skcnn.networks import Backbone, NetworkSpec, Statistics
from skcnn.networks.backbones import backbone_info
from skcnn.networks.pretrained import StandardizeGray, load_pretrained, weights_file
from skcnn.networks.spec import option_names
from skcnn.networks.timm_models import TimmBackbone
from skcnn.training.state import module_and_spec, to_arrays

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import timm
except Exception:  # RuntimeError: torchvision of another build of PyTorch
    timm = None

needs_timm = pytest.mark.skipif(timm is None, reason="timm is not installed")

H, W = 56, 42  # multiples of the patches of the transformers, except for those of 16 pixels
MODELS = {  # the number of stages, and whether there is a layer with feature maps
    "convnext_atto": (6, True),
    "resnet10t": (6, True),
    "mobilenetv3_small_050": (9, True),
    "vit_tiny_patch16_224": (14, False),
    "vit_small_patch14_dinov2": (14, False),
    "deit_tiny_distilled_patch16_224": (14, False),
}


def seeded(spec, seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return spec.build(**options)


def random_images(n_channels=3, height=H, width=W):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, n_channels, height, width, generator=generator)


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, expected.abs().max().item()))


def assert_splits(network):
    stages = network.stages()
    owned = [parameter for stage in stages for parameter in stage.parameters()]
    assert len(owned) == len(set(owned))
    assert set(owned) == set(network.parameters())
    assert stages[-1] is network.output
    assert type(stages[-1]) is nn.Linear
    parts = [part for stage in stages for part in stage.modules()]
    with_state = [m for m in network.modules() if m._parameters or m._buffers]
    leaves = [module for module in with_state if not [*module.children()]]
    assert all(any(part is leaf for part in parts) for leaf in leaves)
    return stages


# ------------------------------------------------------------------------------------------------
# Real models. They have random weights, because nothing is downloaded.


def size_of(name):
    """Return the arguments with which timm makes a transformer for images of another size."""
    if name.startswith(("vit", "deit")):
        return {"img_size": (H, W), "dynamic_img_size": True, "dynamic_img_pad": True}
    return {}


@pytest.fixture(params=MODELS if timm else [])
def name(request):
    return request.param


@pytest.fixture
def reference(name):
    """A model of timm with 5 classes and random statistics of batch normalization."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = timm.create_model(name, num_classes=5, **size_of(name))
        model(torch.rand(4, 3, H, W))
        for value in model.parameters():
            nn.init.normal_(value, std=0.1) if value.ndim == 1 else None
    return model.eval()


def test_features_and_outputs_are_those_of_timm(name, reference):
    network = seeded(NetworkSpec(f"timm/{name}", 3, H, W, 5)).eval().network
    weights = network.converted_weights(reference.state_dict(), "timm")
    network.load_state_dict(weights)
    images = random_images()
    with torch.inference_mode():
        maps = reference.forward_features(images)
        features = reference.forward_head(maps, pre_logits=True)
        assert_close(network.features(images), features)
        outputs = reference(images)
        if name.startswith("deit"):  # the mean of two heads, of which the first one is used
            outputs = reference.head(features)
        assert_close(network(images), outputs)


def test_parts(name):
    network = seeded(NetworkSpec(f"timm/{name}", 3, H, W, 5)).eval().network
    n_stages, has_maps = MODELS[name]
    assert isinstance(network, Backbone)
    assert network.statistics is None
    assert len(assert_splits(network)) == n_stages
    shapes = []
    if has_maps:
        network.cam_layer.register_forward_hook(lambda _, args, maps: shapes.append(maps.shape))
    else:
        assert network.cam_layer is None
    with torch.inference_mode():
        network(random_images())
    assert [len(shape) for shape in shapes] == [4] * has_maps
    assert all(shape[2] * W // H in (shape[3], shape[3] - 1) for shape in shapes)


@pytest.mark.filterwarnings("ignore")
def test_weights_of_a_file_are_loaded_as_timm_does(name, tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        source = timm.create_model(name, num_classes=7)  # of its native size
    path = tmp_path / "weights.pth"
    torch.save(source.state_dict(), path)
    spec = NetworkSpec(f"timm/{name}", 3, H, W, 5, weights=path)
    network = seeded(spec, pretrained=True).eval().network
    overlay = {"file": str(path), "num_classes": 7, "custom_load": False}
    reference = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **size_of(name)
    ).eval()
    with torch.inference_mode():
        images = random_images()
        assert_close(network.features(images), reference(images))
    assert network.output.weight.shape[0] == 5
    config = timm.get_pretrained_cfg(name)
    assert network.statistics == Statistics(255.0, config.mean, config.std)


@needs_timm
def test_a_head_of_a_file_can_be_loaded(tmp_path):
    source = timm.create_model("convnext_atto", num_classes=5).eval()
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    network = NetworkSpec("timm/convnext_atto", 3, H, W, 5).build().eval().network
    load_pretrained(network, "timm/convnext_atto", str(tmp_path / "weights.pth"), head=True)
    with torch.inference_mode():
        assert_close(network(random_images()), source(random_images()))


@needs_timm
def test_weights_of_another_model(tmp_path):
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "weights.pth")
    for name in ("resnet18", "convnext_atto", "vit_tiny_patch16_224"):
        spec = NetworkSpec(f"timm/{name}", 3, 64, 64, 5, weights=tmp_path / "weights.pth")
        message = rf"weights.pth' has the weights of another architecture than 'timm/{name}'"
        with pytest.raises(ValueError, match=message):
            spec.build(pretrained=True)


@needs_timm
def test_transformers_take_images_of_any_size():
    network = NetworkSpec("timm/vit_tiny_patch16_224", 3, 30, 40, 2).build().network
    for size in ((30, 40), (16, 16), (33, 70)):
        assert network(torch.zeros(1, 3, *size)).shape == (1, 2)


@needs_timm
@pytest.mark.parametrize("name", ["twins_svt_small", "hiera_tiny_224"])
def test_sizes_that_a_model_does_not_accept(name):
    message = rf"'timm/{name}' cannot compute features of images of 20 x 30 pixels with 3 channels "
    with pytest.raises(ValueError, match=rf"^{message}\(.*\): use input_size=\(224, 224\), for"):
        NetworkSpec(f"timm/{name}", 3, 20, 30, 2).build()


@needs_timm
@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("resnet-18", "timm/resnet18"),
        ("convnext_smal", "timm/convnext_small"),
        ("vit_small_dinov2", "timm/vit_small_patch14_dinov2"),
        ("resnet18.tv", "timm/resnet18.tv_in1k"),
    ],
)
def test_names_that_timm_does_not_have(name, close):
    for weights in (None, "imagenet"):
        spec = NetworkSpec(f"timm/{name}", 3, 64, 64, 2, weights=weights)
        with pytest.raises(ValueError, match=rf"'timm/{name}' is unknown: did you .*'{close}'"):
            spec.build()


# ------------------------------------------------------------------------------------------------
# Substitutes of timm and of its models


class Convolutional(nn.Module):
    """A convolutional model as timm makes them, with a group matcher."""

    def __init__(self, num_classes=10, in_chans=3, width=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_chans, width, 3, stride=2), nn.BatchNorm2d(width))
        self.blocks = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, num_classes) if num_classes else nn.Identity()
        self.feature_info = [{"num_chs": width, "module": "blocks.1"}]

    def group_matcher(self, coarse=False):
        assert coarse
        return {"stem": 0, "blocks.0": 1, "blocks.1": 2, "norm": 3}

    def forward(self, images):
        maps = self.stem(images)
        for block in self.blocks:
            maps = block(maps).relu()
        return self.head(self.norm(maps).mean((2, 3)))


class Transformer(nn.Module):
    """A model with an embedding of positions, for one size of images, and two heads."""

    def __init__(self, num_classes=10, in_chans=3, img_size=(8, 8)):
        super().__init__()
        self.size = img_size
        self.positions = nn.Parameter(torch.randn(1, 6, *(axis // 4 for axis in img_size)))
        self.patches = nn.Conv2d(in_chans, 6, 4, stride=4)
        self.norm = nn.LayerNorm(6)
        heads = [nn.Linear(6, num_classes) if num_classes else nn.Identity() for _ in range(2)]
        self.head, self.head_dist = heads
        self.feature_info = [{"num_chs": 6, "module": "norm"}]

    def forward(self, images):
        assert images.shape[2:] == self.size, "the size is another"
        features = self.norm((self.patches(images) + self.positions).flatten(2).mean(2))
        return (self.head(features) + self.head_dist(features)) / 2


def checkpoint_filter_fn(state, model):
    """Convert weights as the modules of timm do: rename them, and resize embeddings."""
    state = {key.removeprefix("module."): value for key, value in state.items()}
    if isinstance(model, Transformer) and "positions" in state:
        shape = model.positions.shape[2:]
        state["positions"] = functional.interpolate(state["positions"], shape)
    return state


KINDS = {"conv_small": Convolutional, "conv_wide": Convolutional, "vit_small": Transformer}
TAGS = ["conv_small.in1k", "vit_small.web"]
CONFIGS = {
    "conv": {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.2, 0.3), "classifier": "head"},
    "vit": {"mean": (0.5,) * 3, "std": (0.5,) * 3, "classifier": ("head", "head_dist")},
}


class Substitute(ModuleType):
    """A module with the functions of timm that are used."""

    def __init__(self):
        super().__init__("timm")
        self.calls, self.error = [], None
        self.models = ModuleType("timm.models")
        self.models.group_parameters = self.group_parameters

    def create_model(self, name, pretrained=False, num_classes=10, in_chans=3, **options):
        architecture = name.split(".")[0]
        width = {"width": 8} if architecture == "conv_wide" else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5 if pretrained else 6)
            model = KINDS[architecture](num_classes, in_chans, **width, **options)
        self.calls.append((name, pretrained, in_chans))
        if pretrained and self.error is not None:
            raise self.error
        model.pretrained_cfg = dict(CONFIGS[name.split("_")[0]])
        return model

    def get_pretrained_cfg(self, name):
        config = CONFIGS[name.split("_")[0]]
        return SimpleNamespace(**config, input_size=(3, 8, 8), license="mit")

    def is_model(self, name):
        return name in KINDS

    def is_model_pretrained(self, name):
        return name in TAGS or name in {tag.split(".")[0] for tag in TAGS}

    def list_models(self):
        return [*KINDS]

    def list_pretrained(self, pattern=""):
        return [tag for tag in TAGS if tag.startswith(pattern.removesuffix("*"))]

    @staticmethod
    def group_parameters(model, groups, reverse):
        assert reverse
        return {
            name: next(number for part, number in groups.items() if name.startswith(part))
            for name, _ in model.named_parameters()
        }


@pytest.fixture
def substitute(monkeypatch):
    module = Substitute()
    monkeypatch.setitem(sys.modules, "timm", module)
    monkeypatch.setitem(sys.modules, "timm.models", module.models)
    return module


@pytest.mark.parametrize("in_channels", [1, 2, 3])
def test_random_weights(substitute, in_channels):
    spec = NetworkSpec("timm/conv_small", in_channels, 9, 10, 3)
    module = seeded(spec).eval()
    assert substitute.calls == [("conv_small", False, in_channels)]
    assert isinstance(module.network, TimmBackbone)
    assert module.network.statistics is None
    images = random_images(in_channels, 9, 10)
    expected = Convolutional(0, in_channels).eval()
    expected.load_state_dict(module.network.model.state_dict())
    with torch.inference_mode():
        features = module.network.features(images)
        assert_close(features, expected(images))
        assert_close(module(images), module.network.output(features))
    assert module.network.cam_layer is module.network.model.blocks[1]
    assert option_names("timm/conv_small") == ()


def test_small_groups_belong_to_the_stage_before(substitute):
    network = seeded(NetworkSpec("timm/conv_small", 3, 9, 10, 3)).network
    stem, first, second, _ = assert_splits(network)
    assert [*stem.layers] == [network.model.stem]
    assert [*first.layers] == [network.model.blocks[0]]
    assert [*second.layers][:2] == [network.model.blocks[1], network.model.norm]
    second.eval()
    assert not network.model.norm.training
    assert network.model.stem[1].training


def test_models_without_groups(substitute, monkeypatch):
    monkeypatch.delattr(Convolutional, "group_matcher")
    network = seeded(NetworkSpec("timm/conv_small", 3, 9, 10, 3)).network
    assert [[*stage.layers] for stage in assert_splits(network)[:-1]] == [
        [network.model.stem],
        [network.model.blocks[0]],
        [network.model.blocks[1], network.model.norm, network.model.head],
    ]
    network = seeded(NetworkSpec("timm/vit_small", 3, 12, 8, 3)).network
    first, _ = assert_splits(network)
    assert network.model.positions in set(first.parameters())
    assert network.cam_layer is None
    assert network.model.size == (12, 8)


@pytest.mark.parametrize("name", ["conv_small", "conv_small.in1k", "vit_small"])
def test_pretrained_weights_of_timm(substitute, name):
    spec = NetworkSpec(f"timm/{name}", 3, 12, 8, 3, weights="imagenet")
    module = seeded(spec, pretrained=True).eval()
    assert substitute.calls == [(name, False, 3), (name, True, 3)]
    size = {"img_size": (12, 8)} if name.startswith("vit") else {}
    expected = substitute.create_model(name, pretrained=True, **size).state_dict()
    for key, value in module.network.model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, expected[key])
    config = CONFIGS[name.split("_")[0]]
    statistics = Statistics(255.0, config["mean"], config["std"])
    assert module.network.statistics == backbone_info(f"timm/{name}").statistics == statistics
    pixels = torch.randint(0, 256, (2, 3, 12, 8), dtype=torch.uint8)
    mean, deviation = (torch.tensor(part).reshape(3, 1, 1) for part in statistics[1:])
    with torch.inference_mode():
        assert_close(module(pixels), module.network((pixels / 255 - mean) / deviation))


def test_gray_images(substitute):
    module = NetworkSpec("timm/conv_small", 1, 9, 10, 3, weights="imagenet").build(pretrained=True)
    assert isinstance(module.standardize, StandardizeGray)
    assert module(torch.zeros(2, 1, 9, 10)).shape == (2, 3)
    with pytest.raises(ValueError, match="accept images with 1 or 3 channels, but the images have"):
        NetworkSpec("timm/conv_small", 2, 9, 10, 3, weights="imagenet").build()


def test_rebuilding_downloads_nothing(substitute):
    spec = NetworkSpec("timm/vit_small", 3, 12, 8, 3, weights="imagenet")
    module = spec.build(pretrained=True)
    saved = pickle.dumps({"module": spec, "weights": to_arrays(module.state_dict())})
    substitute.error = OSError("no network")
    substitute.calls.clear()
    restored, _ = module_and_spec(pickle.loads(saved))
    assert substitute.calls == [("vit_small", False, 3)] * 2  # the first has shapes only
    assert restored.network.statistics == module.network.statistics
    images = random_images(3, 12, 8)
    with torch.inference_mode():
        assert torch.equal(restored.eval()(images), module.eval()(images))


@pytest.mark.parametrize("change", [{"n_outputs": 10**9}, {"name": "timm/conv_wide"}])
def test_a_small_file_cannot_ask_for_gigabytes(substitute, change):
    spec = NetworkSpec("timm/conv_small", 3, 12, 8, 3, weights="imagenet")
    weights = to_arrays(spec.build().state_dict())
    vars(spec).update(change)
    with pytest.raises(ValueError, match=r"the saved weights do not fit .* names or shapes differ"):
        module_and_spec({"module": spec, "weights": weights})


def test_a_model_whose_shapes_cannot_be_computed_without_memory(substitute, monkeypatch):
    spec = NetworkSpec("timm/conv_small", 3, 12, 8, 3)
    expected = spec.build().state_dict()
    forward = Convolutional.forward

    def forward_that_reads_values(model, images):
        assert images.sum().item() == 0
        return forward(model, images)

    monkeypatch.setattr(Convolutional, "forward", forward_that_reads_values)
    with pytest.raises(ValueError, match="cannot compute features of images"):
        spec.shapes()
    found, _ = module_and_spec({"module": spec, "weights": to_arrays(expected)})
    assert all(torch.equal(found.state_dict()[key], expected[key]) for key in expected)


def test_frozen_stages_do_not_change(substitute):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(20, 12, 8, 3)).astype(np.uint8), np.arange(20) % 2
    options = {"fine_tune": 1, "head_epochs": 0, "max_epochs": 2, "random_state": 0}
    classifier = TransferClassifier("timm/conv_small", input_size=None, **options).fit(X, y)
    assert classifier.pixel_range_ == (0, 255)
    found = classifier.module_.network.model.state_dict()
    expected = substitute.create_model("conv_small", pretrained=True).state_dict()
    changed = {key for key, value in found.items() if not torch.equal(value, expected[key])}
    assert {"blocks.1.weight", "norm.weight"} <= changed
    changed.discard("stem.1.num_batches_tracked")  # it is at least 100 from the start
    assert {key.rsplit(".", 1)[0] for key in changed} == {"blocks.1", "norm"}
    substitute.error = OSError("no network")
    restored = pickle.loads(pickle.dumps(classifier))
    assert_array_equal(restored.predict_proba(X), classifier.predict_proba(X))


@pytest.mark.parametrize("name", ["conv_small", "vit_small"])
def test_embeddings(substitute, name):
    X = np.random.default_rng(0).integers(0, 256, size=(5, 12, 8, 3)).astype(np.uint8)
    embedder = ImageEmbedder(f"timm/{name}", input_size=None, precision="float32").fit(X)
    module = NetworkSpec(f"timm/{name}", 3, 12, 8, 1, weights="imagenet").build(pretrained=True)
    module.eval()
    with torch.inference_mode():
        images = module.standardize(torch.from_numpy(X).permute(0, 3, 1, 2))
        assert_close(torch.from_numpy(embedder.transform(X)), module.network.features(images))


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", ["conv_small", "vit_small"])
def test_weights_of_a_file(substitute, tmp_path, name, prefix):
    source = substitute.create_model(name, num_classes=7)
    state = {f"{prefix}{key}": value for key, value in source.state_dict().items()}
    torch.save(state, tmp_path / "weights.pth")
    spec = NetworkSpec(f"timm/{name}", 3, 12, 8, 3, weights=tmp_path / "weights.pth")
    network = seeded(spec, pretrained=True).network
    assert not any(pretrained for _, pretrained, _ in substitute.calls)
    found = network.model.state_dict()
    if name == "vit_small":
        assert found["positions"].shape == (1, 6, 3, 2)
        assert torch.equal(found.pop("positions")[:, :, ::2], source.positions)
    for key, value in found.items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, source.state_dict()[key])
    assert network.output.weight.shape == (3, source.head.in_features)


@pytest.mark.parametrize("other", ["conv_wide", "vit_small"])
def test_a_file_of_another_architecture(substitute, tmp_path, other):
    torch.save(substitute.create_model(other).state_dict(), tmp_path / "weights.pth")
    spec = NetworkSpec("timm/conv_small", 3, 9, 10, 3, weights=tmp_path / "weights.pth")
    size = " for images of 9 x 10 pixels, set input_size to" if other == "conv_wide" else ", or"
    message = (
        r"weights.pth' has the weights of another architecture than 'timm/conv_small' \(.*\): "
        f"use a file of 'timm/conv_small'{size}"
    )
    with pytest.raises(ValueError, match=message):
        spec.build(pretrained=True)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError("no\nnetwork"), OSError, r"of 'timm/conv_small' \(no\): try again later, or give"),
        (KeyError("x"), OSError, r"timm could not load the pretrained weights .*\('x'\)"),
        (
            RuntimeError("Error(s) in loading state_dict for Model:\n\tsize mismatch"),
            ValueError,
            r"weights of 'timm/conv_small' do not fit images of 9 x 10 pixels \(Error.*Model:\)",
        ),
    ],
)
def test_pretrained_weights_that_cannot_be_loaded(substitute, error, kind, message):
    substitute.error = error
    with pytest.raises(kind, match=message):
        NetworkSpec("timm/conv_small", 3, 9, 10, 3, weights="imagenet").build(pretrained=True)


def test_models_without_pretrained_weights(substitute):
    spec = NetworkSpec("timm/conv_wide", 3, 9, 10, 3, weights="imagenet")
    with pytest.raises(ValueError, match="no pretrained weights for 'timm/conv_wide': use weights"):
        spec.build(pretrained=True)
    with pytest.raises(ValueError, match="timm finds the weights of 'timm/conv_small'"):
        weights_file("timm/conv_small")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv-small", r"'timm/conv-small' is unknown: did you mean 'timm/conv_small'"),
        (
            "conv_small.in2k",
            r"'timm/conv_small.in2k' is unknown: did you .* 'timm/conv_small.in1k'",
        ),
        ("conv_small.", r"'timm/conv_small.' is unknown: did you .* 'timm/conv_small.in1k'"),
        ("zzz", r"'timm/zzz' is unknown: timm.list_models\(\) lists the names$"),
        ("hf-hub:timm/conv_small", r"'timm/hf-hub:timm/conv_small' is unknown"),
    ],
)
def test_unknown_models(substitute, name, message):
    for weights in (None, "imagenet"):
        with pytest.raises(ValueError, match=message):
            NetworkSpec(f"timm/{name}", 3, 9, 10, 3, weights=weights).build()
    assert substitute.calls == []


def test_sizes_that_do_not_fit(substitute):
    message = r"'timm/vit_small' cannot compute features of images of 3 x 9 pixels with 3 channels"
    with pytest.raises(ValueError, match=rf"{message} \(.+\): use input_size=\(8, 8\), for"):
        NetworkSpec("timm/vit_small", 3, 3, 9, 3).build()


@pytest.mark.parametrize("weights", [None, "imagenet", "weights.pth"])
def test_timm_is_not_installed(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "timm", None)
    message = r"^'timm/resnet18' is a model of timm, which is not installed or cannot be imported "
    with pytest.raises(ImportError, match=message + r'\(.+\): .* pip install "skcnn\[timm\]"$'):
        NetworkSpec("timm/resnet18", 3, 64, 64, 2, weights=weights).build()


def test_timm_cannot_be_imported(monkeypatch, tmp_path):
    error = "raise RuntimeError('operator torchvision::nms does not exist')\n"
    (tmp_path / "timm.py").write_text(error)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with pytest.raises(ImportError, match=r"cannot be imported \(operator torchvision::nms does"):
        NetworkSpec("timm/resnet18", 3, 64, 64, 2).build()
