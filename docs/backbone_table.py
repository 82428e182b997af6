"""The directive `backbone-table`: a table of the pretrained networks, made from `BACKBONES`."""

import torch
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from skcnn.networks import BACKBONES


class BackboneTable(Directive):
    """Table of `skcnn.networks.BACKBONES`."""

    def run(self):
        """Return the table."""
        lines = [
            ".. csv-table::",
            "   :header: name, features, weights in millions, size, accuracy, license, source",
            "",
        ]
        for name, info in BACKBONES.items():
            source = "download" if info.package is None else "`skcnn[pretrained]`"
            lines.append(
                f'   "{name}", {info.n_features}, {_n_millions(info):.1f}, {info.native_size}, '
                f"{info.top_1:.1f}, {info.license}, {source}"
            )
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, source="backbone-table"), 0, node)
        return node.children


def _n_millions(info):
    """Return the number of weights without the head, in millions."""
    with torch.device("meta"):
        network = info.builder(3, info.native_size, info.native_size, n_outputs=1)
    n_head = sum(weight.numel() for weight in network.output.parameters())
    return (sum(weight.numel() for weight in network.parameters()) - n_head) / 1e6


def setup(app):
    """Register the directive."""
    app.add_directive("backbone-table", BackboneTable)
    return {"parallel_read_safe": True}
