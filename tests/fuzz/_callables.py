"""Networks, callbacks and functions of a user: good ones, and ones that break their promises."""

import sklearn.callback
import torch
from _checks import FuzzError
from skorch import callbacks as skorch_callbacks
from torch import nn


class Pooled(nn.Module):
    """A good network for images of any size."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.linear = nn.Linear(in_channels, n_outputs)

    def forward(self, images):
        return self.linear(images.mean(dim=(2, 3)))


class Tuple(Pooled):
    def forward(self, images):
        return super().forward(images), 1


class Nothing(Pooled):
    def forward(self, images):
        return None


class NaNInEval(Pooled):
    def forward(self, images):
        return super().forward(images) * (1.0 if self.training else float("nan"))


class NaNInTraining(Pooled):
    def forward(self, images):
        return super().forward(images) * (float("nan") if self.training else 1.0)


class WrongInTraining(Pooled):
    def forward(self, images):
        outputs = super().forward(images)
        return torch.cat([outputs, outputs], dim=1) if self.training else outputs


class FewRowsInTraining(Pooled):
    def forward(self, images):
        return super().forward(images[:1] if self.training else images)


class Detached(Pooled):
    def forward(self, images):
        return super().forward(images).detach()


class Frozen(Pooled):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.requires_grad_(False)


class NoParameters(nn.Module):
    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.n_outputs = n_outputs

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None].expand(-1, self.n_outputs)


class ThreeAxes(Pooled):
    def forward(self, images):
        return super().forward(images)[:, :, None]


class Double(Pooled):
    def forward(self, images):
        return super().forward(images).double()


class Integers(Pooled):
    def forward(self, images):
        return super().forward(images).long()


class Complex(Pooled):
    def forward(self, images):
        return super().forward(images) * 1j


class InPlace(Pooled):
    def forward(self, images):
        return super().forward(images.add_(1))


class Raising(Pooled):
    def forward(self, images):
        raise FuzzError("forward")


class RaisingInTraining(Pooled):
    def forward(self, images):
        if self.training:
            raise FuzzError("forward in training")
        return super().forward(images)


class RaisingWhenBuilt(nn.Module):
    def __init__(self, *sizes):
        raise FuzzError("building")


class Normed(Pooled):
    def __init__(self, in_channels, *sizes):
        super().__init__(in_channels, *sizes)
        self.norm = nn.BatchNorm2d(in_channels)

    def forward(self, images):
        return super().forward(self.norm(images))


class Directions(nn.Linear):
    def forward(self, inputs):
        return nn.functional.linear(nn.functional.normalize(inputs), self.weight)


class OtherHead(Pooled):
    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__(in_channels, height, width, n_outputs)
        self.linear = Directions(in_channels, n_outputs)


class ParametrizedHead(Pooled):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        nn.utils.parametrizations.spectral_norm(self.linear)


class NoStages(Pooled):
    statistics = cam_layer = None

    def features(self, images):
        return images.mean(dim=(2, 3))

    def stages(self):
        return []


class Infinite(Pooled):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("limit", torch.tensor(float("inf")))


def one_output(in_channels, height, width, n_outputs):
    return Pooled(in_channels, height, width, 1)


def no_module(in_channels, height, width, n_outputs):
    return 5


def no_sizes():
    return Pooled(1, 8, 8, 2)


def in_half(*sizes):
    return Pooled(*sizes).half()


def on_meta(*sizes):
    return Pooled(*sizes).to("meta")


def lazy_modules(in_channels, height, width, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_outputs))


SHARED = Pooled(1, 8, 8, 2)
NETWORKS = [
    Pooled, Normed, Tuple, Nothing, NaNInEval, NaNInTraining, WrongInTraining, FewRowsInTraining,
    Detached, Frozen, NoParameters, ThreeAxes, Double, Integers, Complex, InPlace,
    Raising, RaisingInTraining, RaisingWhenBuilt, Infinite, one_output, no_module, no_sizes,
    OtherHead, ParametrizedHead, NoStages, in_half, on_meta, lazy_modules, SHARED, nn.Linear,
    lambda *sizes: SHARED, lambda *sizes: Pooled(*sizes),
]  # fmt: skip


# ------------------------------------------------------------------------------------------------


class RaisingCallback(skorch_callbacks.Callback):
    def __init__(self, event):
        setattr(self, event, self.fail)

    def fail(self, *args, **kwargs):
        raise FuzzError("callback")


class Stopping(skorch_callbacks.Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


class SpoilWeights(skorch_callbacks.Callback):
    def on_batch_end(self, net, **kwargs):
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.fill_(float("nan"))


class NoCopy(skorch_callbacks.Callback):
    def __deepcopy__(self, memo):
        raise FuzzError("copy")


TIMER = skorch_callbacks.EpochTimer()
CALLBACKS = [
    None, [], (), [TIMER], [("mine", TIMER)], [()], [("a",)], [(1, TIMER)], [("a", TIMER, 2)],
    [("a", 5)], [None], [5], ["a"], [skorch_callbacks.EpochTimer], [TIMER, TIMER],
    [("a", TIMER), ("a", TIMER)], [("callbacks__a", TIMER)], TIMER, "a", 5, {"a": TIMER},
    [sklearn.callback.ProgressBar], [sklearn.callback.ProgressBar()], [["a", TIMER]],
    [("epoch_timer", TIMER)], [("", TIMER)], [(None, TIMER)], [[]], [{}],
    [skorch_callbacks.EarlyStopping()], [skorch_callbacks.EarlyStopping("train_loss")],
    [skorch_callbacks.Checkpoint()], [skorch_callbacks.EpochScoring("accuracy")],
    [skorch_callbacks.LRScheduler()], [skorch_callbacks.GradientNormClipping(1.0)],
    [skorch_callbacks.PassthroughScoring("no")], [skorch_callbacks.PrintLog()],
    [RaisingCallback("on_train_begin")], [RaisingCallback("on_epoch_begin")],
    [RaisingCallback("on_batch_end")], [RaisingCallback("on_train_end")],
    [RaisingCallback("on_grad_computed")], [RaisingCallback("initialize")],
    [Stopping()], [SpoilWeights()], [NoCopy()],
]  # fmt: skip


# ------------------------------------------------------------------------------------------------


def unchanged(images, generators):
    return images


def noisy(images, generators):
    return images + [g.normal(size=images.shape[1:]) for g in generators]


def to_nan(images, generators):
    return images * float("nan")


def to_huge(images, generators):
    return images * 1e300


def too_few(images, generators):
    return images[:-1]


def gives_none(images, generators):
    return None


def gives_text(images, generators):
    return "a"


def gives_list(images, generators):
    return images.tolist()


def in_place(images, generators):
    images += 1
    return images


def raises(images, generators):
    raise FuzzError("function")


def gives_complex(images, generators):
    return images * 1j


FUNCTIONS = [
    unchanged, noisy, to_nan, to_huge, too_few, gives_none, gives_text, gives_list, in_place,
    raises, gives_complex,
]  # fmt: skip
