"""Models of the package timm as backbones."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn

from skcnn.networks.backbone import Statistics
from skcnn.networks.backbone_network import normal_001
from skcnn.networks.names import unknown_name
from skcnn.networks.stages import split_network

PREFIX = "timm/"  # of the names of models of timm

# Arguments for the size of images. Some models that accept several sizes lack some of them.
_SIZE_ARGUMENTS: tuple[dict[str, bool], ...] = (
    {"dynamic_img_size": True, "dynamic_img_pad": True},
    {"dynamic_img_size": True},
    {},
)


class TimmBackbone(nn.Module):
    """Model of timm whose classifier is replaced by a new head.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs.
    model : str
        The name of the model in timm, with or without a tag, such as
        "vit_small_patch14_dinov2.lvd142m".

    Attributes
    ----------
    statistics : Statistics or None
        Statistics of the pixel values that the weights expect. None if the weights are not
        pretrained.
    model : torch.nn.Module
        Model of timm, made with ``num_classes=0``.
    output : torch.nn.Linear
        The last layer, the head.

    Raises
    ------
    ImportError
        If timm is not installed or cannot be imported.
    ValueError
        If the model is unknown, or cannot compute features of images of this size.
    """

    statistics: Statistics | None = None

    def __init__(
        self, in_channels: int, height: int, width: int, n_outputs: int, *, model: str
    ) -> None:
        super().__init__()
        self.name = f"{PREFIX}{model}"
        self.image_shape = (in_channels, height, width)
        native = timm_config(self.name).input_size
        try:
            self.model = _create(model, self.image_shape, num_classes=0)
            n_features, self._cam_layer_name = self._try_out()
        except MemoryError:
            raise
        except Exception as error:  # its type depends on the model
            reason = _first_line(error)
            raise ValueError(
                f"{self.name!r} cannot compute features of images of {height} x {width} pixels "
                f"with {in_channels} channels ({reason}): use input_size={tuple(native[1:])}, for "
                "which it was made, or another model"
            ) from error
        self.output = nn.Linear(n_features, n_outputs)
        normal_001(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the outputs.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Logits of the classes or labels, or standardized targets.
        """
        return self.output(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Compute the pooled features: of a transformer, its class token or a mean of its tokens.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        features : tensor of shape (n_images, n_features)
            Features.
        """
        return self.model(images)

    def stages(self) -> list[nn.Module]:
        """Return the parts of the network in order, from the input to the head.

        Returns
        -------
        stages : list of torch.nn.Module
            The groups of layers that timm defines for layer-wise learning rates, or the layers of a
            model without such groups, and then the head. A group whose parameters are all vectors,
            such as a last normalization, is part of the group before it. Only the head can be
            called.
        """
        groups = self._groups()
        stage_of = {value: groups[key] for key, value in self.model.named_parameters()}
        with_weights = sorted({n for value, n in stage_of.items() if value.ndim > 1})
        merged = {
            value: max((n for n in with_weights if n <= number), default=number)
            for value, number in stage_of.items()
        }
        return [*split_network(self.model, merged), self.output]

    def _groups(self):
        """Return the number of the group of each parameter of the model, by parameter name."""
        from timm.models import group_parameters

        try:
            matcher = self.model.group_matcher(coarse=True)
        except (AttributeError, AssertionError, NotImplementedError):  # few models have no groups
            parts = _parts(self.model)
            return {
                name: next((n for n, part in enumerate(parts) if name.startswith(part)), 0)
                for name, _ in self.model.named_parameters()
            }
        return group_parameters(self.model, matcher, reverse=True)

    @property
    def cam_layer(self) -> nn.Module | None:
        """The last layer with feature maps. None for most transformers."""
        name = self._cam_layer_name
        return None if name is None else self.model.get_submodule(name)

    def official_weights(self) -> dict[str, Tensor]:
        """Return pretrained weights, which timm downloads if they are not in its cache.

        Returns
        -------
        weights : dict of {str: tensor}
            Weights by their names in this network. Those of the head are missing if the official
            model has no classifier.

        Raises
        ------
        OSError
            If the weights cannot be downloaded.
        ValueError
            If there are no weights for the model, or none for images of this size.
        """
        timm, name = _timm(self.name), self.name.removeprefix(PREFIX)
        if not timm.is_model_pretrained(name):
            raise ValueError(
                f"there are no pretrained weights for {self.name!r}: use weights=None, or a model "
                "of timm.list_pretrained()"
            )
        try:
            model = _create(name, self.image_shape, pretrained=True)
        except Exception as error:  # also of the packages that download for timm
            reason = _first_line(error)
            if "loading state_dict" in str(error):
                size = " x ".join(map(str, self.image_shape[1:]))
                raise ValueError(
                    f"the pretrained weights of {self.name!r} do not fit images of {size} pixels "
                    f"({reason}): use the input_size of the weights, or another model"
                ) from error
            raise OSError(
                f"timm could not load the pretrained weights of {self.name!r} ({reason}): try "
                "again later, or give the path of a file as weights"
            ) from error
        return self._renamed(model.state_dict())

    def converted_weights(self, state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
        """Convert the weights of a checkpoint with timm, for example to another image size.

        Parameters
        ----------
        state : dict of {str: tensor}
            Weights of the model, or of another checkpoint that timm can convert.
        source : str
            Origin of the weights, for the error message.

        Returns
        -------
        weights : dict of {str: tensor}
            Weights by their names in this network.

        Raises
        ------
        ValueError
            If the weights cannot be converted.
        """
        modules = [sys.modules[kind.__module__] for kind in type(self.model).__mro__]
        functions = [getattr(module, "checkpoint_filter_fn", None) for module in modules]
        convert = next((function for function in functions if function is not None), None)
        if convert is not None:
            try:
                state = convert(dict(state), self.model)
            except Exception as error:
                raise ValueError(
                    f"{source} has the weights of another architecture than {self.name!r} (timm "
                    f"cannot convert them: {type(error).__name__}, {_first_line(error)}): use a "
                    f"file of {self.name!r}, or the backbone of the file"
                ) from error
        return self._renamed(state)

    def _renamed(self, state):
        """Rename weights of the model to their names here, and remove additional classifiers."""
        names = self.model.pretrained_cfg.get("classifier") or ()
        names = (names,) if isinstance(names, str) else tuple(names)
        heads = tuple(f"{name.split('.')[0]}." for name in names)
        own = self.model.state_dict()
        renamed = {}
        for key, value in state.items():
            layer, _, kind = key.rpartition(".")
            if layer in names[:1]:
                renamed[f"output.{kind}"] = value
            elif key in own or not key.startswith(heads):
                renamed[f"model.{key}"] = value
        return renamed

    @torch.no_grad()
    def _try_out(self):
        """Return the number of features, and the name of the layer with the last feature maps."""
        info = getattr(self.model, "feature_info", None)
        last = info[-1] if isinstance(info, list) and info else {}
        shapes, handle = [], None
        if last.get("module") in dict(self.model.named_modules()):
            layer = self.model.get_submodule(last["module"])
            handle = layer.register_forward_hook(
                lambda _, args, maps: shapes.append(getattr(maps, "shape", ()))
            )
        try:
            features = self.model.eval()(torch.zeros(1, *self.image_shape))
        finally:
            self.model.train()
            if handle is not None:
                handle.remove()
        if features.ndim != 2:
            raise ValueError(f"its features have the shape {tuple(features.shape)}")
        has_maps = bool(shapes) and len(shapes[0]) == 4 and shapes[0][1] == last["num_chs"]
        return features.shape[1], last["module"] if has_maps else None


def timm_config(name: str) -> Any:
    """Return the configuration of the pretrained weights of a model of timm.

    Parameters
    ----------
    name : str
        "timm/" and the name of a model.

    Returns
    -------
    config : timm.models.PretrainedCfg
        Configuration with the attributes `input_size`, `mean`, `std` and `license`.

    Raises
    ------
    ImportError
        If timm is not installed or cannot be imported.
    ValueError
        If the model is unknown.
    """
    timm, model = _timm(name), name.removeprefix(PREFIX)
    architecture, dot, _ = model.partition(".")
    if not timm.is_model(architecture) or (dot and not timm.is_model_pretrained(model)):
        tagged = timm.list_pretrained(f"{architecture}.*") if dot else []
        names = tagged or [*timm.list_models(), *timm.list_pretrained()]
        raise ValueError(unknown_name(model, names, prefix=PREFIX, listed="timm.list_models()"))
    return timm.get_pretrained_cfg(model)


def _parts(model):
    """Return the prefixes of parameter names of the children of a model and of their layers."""
    parts = []
    for name, child in model.named_children():
        is_sequence = isinstance(child, (nn.ModuleList, nn.Sequential))
        parts += [f"{name}.{key}." for key, _ in child.named_children()] if is_sequence else []
        parts.append(f"{name}.")
    return parts


def _timm(name):
    """Import timm, or raise an error with the name of the model that needs it."""
    try:
        import timm
    except Exception as error:  # torchvision raises RuntimeError with another build of PyTorch
        raise ImportError(
            f"{name!r} is a model of timm, which is not installed or cannot be imported ({error}): "
            'install it with pip install "skcnn[timm]"'
        ) from error
    return timm


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _create(name, size, **options):
    """Create a model for images of the given size, if it has arguments for the size."""
    timm = _timm(f"{PREFIX}{name}")
    for arguments in _SIZE_ARGUMENTS:
        try:
            return timm.create_model(
                name, in_chans=size[0], img_size=size[1:], **arguments, **options
            )
        except TypeError:  # the model does not have all of the arguments
            continue
    return timm.create_model(name, in_chans=size[0], **options)
