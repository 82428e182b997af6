"""Networks: pure PyTorch modules, and the table of their names."""

from skcnn.networks.autoencoder import AutoencoderNetwork
from skcnn.networks.backbone import Backbone, Statistics
from skcnn.networks.backbones import BACKBONES, BackboneInfo
from skcnn.networks.convnext import ConvNeXt
from skcnn.networks.custom_backbone import as_backbone
from skcnn.networks.efficientnet import EfficientNet
from skcnn.networks.efficientnet_lite import EfficientNetLite
from skcnn.networks.fast import FastNetwork
from skcnn.networks.inference import prediction_function
from skcnn.networks.layers import BatchNorm2d, Dropout, ResizeInput, Standardize
from skcnn.networks.mobilenet import MobileNetV2, MobileNetV3
from skcnn.networks.plain import PlainNetwork, automatic_channels
from skcnn.networks.resnet import ResNet
from skcnn.networks.spec import NETWORKS, NetworkSpec
from skcnn.networks.squeezenet import SqueezeNet
from skcnn.networks.vgg import VGG
from skcnn.networks.whitening import Whitening

__all__ = [
    "BACKBONES",
    "NETWORKS",
    "VGG",
    "AutoencoderNetwork",
    "Backbone",
    "BackboneInfo",
    "BatchNorm2d",
    "ConvNeXt",
    "Dropout",
    "EfficientNet",
    "EfficientNetLite",
    "FastNetwork",
    "MobileNetV2",
    "MobileNetV3",
    "NetworkSpec",
    "PlainNetwork",
    "ResNet",
    "ResizeInput",
    "SqueezeNet",
    "Standardize",
    "Statistics",
    "Whitening",
    "as_backbone",
    "automatic_channels",
    "prediction_function",
]
