"""Stages of networks that are not a sequence of layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from torch import nn


class Stage(nn.Module):
    """Modules and parameters of a network that are frozen together or share a learning rate.

    A stage cannot be called.

    Parameters
    ----------
    modules : iterable of torch.nn.Module
        Modules of the network.
    parameters : iterable of torch.nn.Parameter
        Further parameters of the network, which belong to none of the modules.
    """

    def __init__(
        self, modules: Iterable[nn.Module], parameters: Iterable[nn.Parameter] = ()
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(modules)
        self.own = nn.ParameterList(parameters)


def split_network(
    network: nn.Module,
    stage_of: Mapping[nn.Parameter, int],
    apart: nn.Module | None = None,
) -> list[nn.Module]:
    """Split a network into stages.

    A module whose parameters are all in one stage belongs to this stage. Other modules are divided:
    their children and their own parameters are assigned to stages. A module without parameters
    belongs to the stage of the module before it.

    Parameters
    ----------
    network : torch.nn.Module
        Network.
    stage_of : mapping of {torch.nn.Parameter: int}
        Number of the stage of each parameter. Stages are sorted by their numbers.
    apart : torch.nn.Module, default=None
        Module, such as the head, that is assigned to a stage by itself: modules that contain it are
        divided.

    Returns
    -------
    stages : list of Stage
        Stages. Each parameter of the network is in exactly one stage.
    """
    modules: dict[int, list[nn.Module]] = defaultdict(list)
    parameters: dict[int, list[nn.Parameter]] = defaultdict(list)
    current = min(stage_of.values(), default=0)

    def visit(module: nn.Module) -> None:
        nonlocal current
        numbers = {stage_of[parameter] for parameter in module.parameters()}
        has_apart = module is not apart and any(part is apart for part in module.modules())
        if len(numbers) <= 1 and not has_apart:
            current = min(numbers, default=current)
            modules[current].append(module)
            return
        for parameter in module.parameters(recurse=False):
            parameters[stage_of[parameter]].append(parameter)
        for child in module.children():
            visit(child)

    visit(network)
    return [Stage(modules[n], parameters[n]) for n in sorted({*modules, *parameters})]
