"""NetworkSummary: a table of the layers of a network as text, HTML and a data frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from torch import nn

from skcnn.networks.summary import LayerSummary, fold_layers, summarize_layers

if TYPE_CHECKING:
    from pandas import DataFrame

_MAX_ROWS = 60  # with depth="auto"
_STYLE = """<style>
.skcnn-summary {overflow-x: auto; font-size: 0.9em;}
.skcnn-summary table {border-collapse: collapse; font-variant-numeric: tabular-nums;}
.skcnn-summary :is(th, td) {padding: 0.15em 0.6em; text-align: right; white-space: nowrap;
  background: none; border: none; border-bottom: 1px solid rgba(128, 128, 128, 0.35);}
.skcnn-summary :is(th, td):is(:nth-child(1), :nth-child(2), :nth-child(3)) {text-align: left;}
.skcnn-summary tbody th {font-family: monospace; font-weight: normal;}
.skcnn-summary p {margin: 0.3em 0.6em;}
</style>"""


@dataclass(frozen=True, repr=False)
class NetworkSummary:
    """Layers of a network with output shapes, parameters, multiply-adds and activation memory.

    ``print(summary)`` shows it as text, and a notebook shows it as a table.

    Parameters
    ----------
    name : str
        Name of the estimator or network.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images that the network gets.
    layers : tuple of LayerSummary
        Rows of the table. The numbers of a layer do not include those of layers in other rows.

    Attributes
    ----------
    n_parameters : int
        Number of parameters.
    n_trainable : int
        Number of parameters that are trained.
    weight_bytes : int
        Bytes of the parameters and of buffers, such as the statistics of batch normalization.
    multiply_adds : int
        Multiply-adds of convolutions and matrix products for one image.
    activation_bytes : int
        Bytes of the outputs of all layers for one image.

    Examples
    --------
    >>> from torch import nn
    >>> from skcnn.inspection import network_summary
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    >>> summary = network_summary(network, image_shape=(8, 8, 1))
    >>> summary.n_parameters, summary.multiply_adds
    (330, 1584)
    """

    name: str
    image_shape: tuple[int, int, int]
    layers: tuple[LayerSummary, ...]

    @classmethod
    def of(
        cls,
        module: nn.Module,
        image_shape: tuple[int, int, int],
        *,
        name: str,
        depth: str | int | None = "auto",
        frozen: Iterable[nn.Parameter] = (),
        run: bool = False,
    ) -> NetworkSummary:
        """Summarize a network.

        Parameters
        ----------
        module : torch.nn.Module
            Network. It is not changed.
        image_shape : tuple of (int, int, int)
            Height, width and number of channels of the images.
        name : str
            Name of the estimator or network.
        depth : "auto", int or None, default="auto"
            Number of levels of nested layers. None shows all. "auto" shows as many as there are
            without more than 60 rows, and at least one.
        frozen : iterable of torch.nn.Parameter, default=()
            Parameters that are not trained although they need gradients.
        run : bool, default=False
            Whether to run the network on a blank image instead of computing shapes only.

        Returns
        -------
        summary : NetworkSummary
            Summary.

        Raises
        ------
        ValueError
            If the network cannot process an image of this shape.
        """
        layers = summarize_layers(module, image_shape, frozen=frozen, run=run)
        if isinstance(depth, str):  # "auto"
            levels = range(1, max(layer.depth for layer in layers) + 1)
            small = (n for n in levels if len(fold_layers(layers, n)) <= _MAX_ROWS)
            depth = max(small, default=1)
        return cls(name, image_shape, tuple(fold_layers(layers, depth)))

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return sum(layer.n_parameters for layer in self.layers)

    @property
    def n_trainable(self) -> int:
        """Number of parameters that are trained."""
        return sum(layer.n_trainable for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters and of buffers."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of convolutions and matrix products for one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Bytes of the outputs of all layers for one image."""
        return sum(layer.activation_bytes for layer in self.layers)

    def to_frame(self) -> DataFrame:
        """Return the layers as a data frame.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each layer, by its name, with the columns "type", "output_shape",
            "n_parameters", "n_trainable", "multiply_adds" and "activation_bytes".

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                'a data frame needs pandas: install it with pip install "skcnn[plot]"'
            ) from error
        index = pd.Index([layer.name for layer in self.layers], name="layer")
        columns = ("output_shape", "n_parameters", "n_trainable", "multiply_adds")
        return pd.DataFrame(
            {"type": [layer.kind for layer in self.layers]}
            | {
                column: [getattr(layer, column) for layer in self.layers]
                for column in (*columns, "activation_bytes")
            },
            index=index,
        )

    def __str__(self) -> str:
        header, *rows = self._cells()
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = ["  ".join(_aligned(cells, widths)).rstrip() for cells in (header, *rows)]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        totals = self._totals()
        width = max(map(len, totals)) + 1
        footer = [f"{name + ':':<{width}} {value}" for name, value in totals.items()]
        return "\n".join([self._title(), rule, lines[0], rule, *lines[1:], rule, *footer])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        header, *rows = self._cells()
        head = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in header)
        body = "".join(
            f"<tr><th scope='row'>{escape(name)}</th>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for name, *cells in rows
        )
        totals = "".join(f"<p>{name}: {value}</p>" for name, value in self._totals().items())
        return (
            f"{_STYLE}<div class='skcnn-summary'><p>{escape(self._title())}</p><table>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{totals}</div>"
        )

    def _title(self):
        height, width, n_channels = self.image_shape
        channels = "1 channel" if n_channels == 1 else f"{n_channels} channels"
        return f"{self.name}: images of {height} x {width} pixels with {channels}"

    def _cells(self):
        """Return the header and the rows of the table as text."""
        header = ["Layer", "Type", "Output shape", "Parameters", "Multiply-adds", "Activations"]
        rows = [
            [
                layer.name,
                layer.kind,
                "-" if layer.output_shape is None else str(layer.output_shape),
                _number(layer.n_parameters),
                _number(layer.multiply_adds),
                _size(layer.activation_bytes),
            ]
            for layer in self.layers
        ]
        return [header, *rows]

    def _totals(self):
        """Return what is written below the table."""
        return {
            "Parameters": f"{self.n_parameters:,} ({_size(self.weight_bytes)})",
            "Trainable": f"{self.n_trainable:,}",
            "Multiply-adds": f"{self.multiply_adds:,} for one image",
            "Activations": f"{_size(self.activation_bytes)} for one image",
        }


def _aligned(cells, widths):
    """Yield cells of equal width: three columns of text, then numbers."""
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.ljust(width) if column < 3 else cell.rjust(width)


def _number(value):
    return f"{value:,}" if value else "-"


def _size(n_bytes):
    """Return a number of bytes with a unit."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.1f} {name}"
    return f"{n_bytes} B" if n_bytes else "-"
