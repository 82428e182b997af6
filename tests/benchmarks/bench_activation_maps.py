"""How well activation maps find a known object, what they depend on, and how fast they are.

    python tests/benchmarks/bench_activation_maps.py quality
    python tests/benchmarks/bench_activation_maps.py speed

quality: Networks are trained on gray images of 32 x 32 pixels with one textured object of varying
size and place, two plain objects, and a background of smooth noise; only the texture tells the
class. Maps of the correct class are computed for test images:

* mass: fraction of the map's sum inside the object; rank: fraction of the K largest values inside
  an object of K pixels (Arras et al. 2022); point: the largest value is inside, or within 15/224 of
  the side (Zhang et al. 2018). Negative values count as 0.
* deletion, insertion: area under the probability of the class when pixels are replaced by the mean
  value, or inserted in the blurred image, those with the largest values first (Petsiuk et al.
  2018).
* head, all layers: rank correlation with the map of the same network with random weights in the
  last layer, and in all layers (Adebayo et al. 2018, and the corrections of Binder et al. 2023 and
  Yona and Greenfeld 2021 that `tests/inspection/map_quality.py` describes), means of three seeds.
* class: rank correlation with the map of another class for the same network.

"stretched" is Grad-CAM with feature maps that are stretched over the image.

speed: Grad-CAM maps per second, in the size of the images, in calls with all images and with one
image each. captum's `LayerGradCam` gets the same batches, and its maps are enlarged by bilinear
interpolation. "plain loop" takes one image at a time: hooks, gradients of all weights, and bilinear
interpolation.
"""

import sys
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _tables import make_parser, parse_arguments, print_table, run_interleaved, seconds_of
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[2]))

from skcnn import CNNClassifier, TransferClassifier
from skcnn.inspection import activation_maps, class_activation_map
from skcnn.operations import AffineMap
from tests.inspection import map_quality as quality

METHODS = (*activation_maps.FEATURE_METHODS, *activation_maps.PIXEL_METHODS)
SIDE = 32
OPTIONS = {"learning_rate": 0.01, "batch_size": 32, "random_state": 0, "device": "cpu"}
NETWORKS = {
    "average pooling": (quality.PooledNetwork, {}),
    "fast": ("fast", {"channels": (16, 32)}),
    "plain": ("plain", {"channels": (16, 32)}),
}


# ------------------------------------------------------------------------------------------------
# Quality


def quality_rows(n_train, n_test, max_epochs):
    """Return a row for each network and method."""
    X, y, _ = quality.make_images(n_train, SIDE, seed=0)
    X_test, y_test, masks = quality.make_images(n_test, SIDE, seed=1)
    rows = []
    for name, (network, options) in NETWORKS.items():
        cnn = CNNClassifier(network, max_epochs=max_epochs, **OPTIONS, **options).fit(X, y)
        print(f"{name}: accuracy {cnn.score(X_test, y_test):.3f}", file=sys.stderr, flush=True)
        others = {
            "random": quality.random_maps(n_test, SIDE),
            "centered Gaussian": quality.gaussian_maps(n_test, SIDE),
            "grad_cam, stretched": stretched_maps(cnn, X_test, y_test),
        }
        for kind, maps in others.items():
            rows.append(
                {"network": name, "maps": kind, **measures(cnn, X_test, y_test, maps, masks)}
            )
        for method in METHODS:
            if method == "cam" and network is not quality.PooledNetwork:
                continue
            print(f"{name}: {method}", file=sys.stderr, flush=True)
            maps = class_activation_map(cnn, X_test, y_test, method=method)
            row = measures(cnn, X_test, y_test, maps, masks)
            row |= dependence(cnn, X_test, y_test, maps, method)
            rows.append({"network": name, "maps": method, **row})
    return rows


def stretched_maps(cnn, X, y):
    """Return Grad-CAM maps that are placed as if the cells covered the image evenly."""
    exact = activation_maps.cell_geometry

    def stretched(network, layer, image_shape):
        shapes = []
        with layer.register_forward_hook(lambda _layer, _inputs, maps: shapes.append(maps.shape)):
            exact(network, layer, image_shape)
        down, across = (n / cells for n, cells in zip(image_shape, shapes[-1][2:], strict=False))
        return AffineMap(((down, 0.0), (0.0, across)), ((down - 1) / 2, (across - 1) / 2))

    activation_maps.cell_geometry = stretched
    try:
        return class_activation_map(cnn, X, y)
    finally:
        activation_maps.cell_geometry = exact


def measures(cnn, X, y, maps, masks):
    """Return the measures of place and of faithfulness as cells."""
    deletion, insertion = quality.deletion_and_insertion(cnn, X, y, maps)
    values = {
        "mass": quality.mass_accuracy(maps, masks),
        "rank": quality.rank_accuracy(maps, masks),
        "point": quality.pointing_game(maps, masks),
        "deletion": deletion,
        "insertion": insertion,
    }
    return {name: f"{value.mean():.2f}" for name, value in values.items()}


def dependence(cnn, X, y, maps, method):
    """Return the similarity to maps of random networks and of another class as cells."""
    n_layers = len(quality.layers_with_weights(cnn))
    found = {}
    for name, n_random in (("head", 1), ("all layers", n_layers)):
        found[name] = [
            class_activation_map(quality.randomized(cnn, n_random, seed), X, y, method=method)
            for seed in range(3)
        ]
    other = cnn.classes_[(np.searchsorted(cnn.classes_, y) + 1) % len(cnn.classes_)]
    found["class"] = [class_activation_map(cnn, X, other, method=method)]
    return {
        name: f"{np.mean([quality.similarity(maps, one) for one in others]):.2f}"
        for name, others in found.items()
    }


# ------------------------------------------------------------------------------------------------
# Speed


def speed_rows(rounds, n_images):
    """Return a row for each network and way to compute maps."""
    small = CNNClassifier("fast", channels=(16, 32), max_epochs=1, device="cpu", random_state=0)
    large = TransferClassifier(max_epochs=1, device="cpu", random_state=0)
    rows = speed_of("fast, 32 x 32", small, 32, n_images, rounds)
    return rows + speed_of("EfficientNet-Lite0, 128 x 128", large, 128, n_images // 25, rounds)


def speed_of(name, model, side, n_maps, rounds):
    """Return a row for each way to compute maps with one network."""
    X = np.random.default_rng(0).integers(0, 256, (n_maps, side, side, 3), np.uint8)
    y = np.arange(n_maps) % 4
    model.fit(X[:64], y[:64])
    contenders = {
        "skcnn, one call": lambda: class_activation_map(model, X, y),
        "skcnn, one call per image": lambda: [
            class_activation_map(model, X[row, None], y[row]) for row in range(n_maps)
        ],
        "captum, batches of 64": lambda: captum_maps(model, X, y),
        "plain loop": lambda: plain_maps(model, X, y),
    }
    class_activation_map(model, X[:2], y[:2])
    captum_maps(model, X[:2], y[:2])
    timed = {label: lambda run=run: seconds_of(run) for label, run in contenders.items()}
    results = run_interleaved(timed, rounds, name)
    seconds = {label: median(values) for label, values in results.items()}
    return [
        {
            "network": name,
            "maps": f"{n_maps:,} by {label}",
            "maps/s": f"{n_maps / value:.0f}",
            "slowest": f"{n_maps / max(results[label]):.0f}",
            "fastest": f"{n_maps / min(results[label]):.0f}",
            "speedup of one call": f"{value / seconds['skcnn, one call']:.1f}x",
        }
        for label, value in seconds.items()
    ]


def captum_maps(model, X, y):
    """Return the maps of captum, batch by batch."""
    from captum.attr import LayerAttribution, LayerGradCam

    network = model.module_.eval()
    explainer = LayerGradCam(network, network.network.cam_layer)
    found = []
    for start in range(0, len(X), 64):
        images = torch.from_numpy(X[start : start + 64]).permute(0, 3, 1, 2).float()
        target = torch.from_numpy(y[start : start + 64])
        maps = explainer.attribute(images, target=target, relu_attributions=True)
        maps = LayerAttribution.interpolate(maps, images.shape[2:], "bilinear")
        found.append(maps[:, 0].detach().numpy())
    return np.concatenate(found)


def plain_maps(model, X, y):
    """Return maps that are computed image by image with hooks."""
    network, kept = model.module_.eval(), []
    layer = network.network.cam_layer
    found = []
    for image, label in zip(X, y, strict=True):
        tensor = torch.from_numpy(image[None]).permute(0, 3, 1, 2).float()
        handle = layer.register_forward_hook(lambda _layer, _inputs, maps: kept.append(maps))
        output = network(tensor)[0, label]
        handle.remove()
        maps = kept.pop()
        maps.retain_grad()
        output.backward()
        cam = (maps.grad.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True).relu()
        network.zero_grad()
        cam = functional.interpolate(cam, tensor.shape[2:], mode="bilinear")
        found.append(cam[0, 0].detach().numpy())
    return np.stack(found)


def main():
    """Run the benchmark, and print the table."""
    options = make_parser(__doc__)
    options.add_argument("part", choices=["quality", "speed"])
    arguments = parse_arguments(options)
    warnings.filterwarnings("ignore", message="The maps of .* are 0 everywhere")
    if arguments.part == "quality":
        sizes = (80, 8, 2) if arguments.quick else (400, 100, 15)
        rows = quality_rows(*sizes)
    else:
        rows = speed_rows(arguments.rounds, 100 if arguments.quick else 1000)
    print_table(rows, arguments)


if __name__ == "__main__":
    main()
