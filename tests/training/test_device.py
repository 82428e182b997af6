"""Device, precision and random seeds."""

from contextlib import nullcontext

import pytest
import torch

from skcnn.training import device as module
from skcnn.training.device import autocast, available_device, resolve_device, seeded

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def available_devices(monkeypatch):
    def set_available(cuda=False, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return set_available


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        ({"cuda": True}, "cuda"),
        ({"cuda": True, "mps": True}, "cuda"),
        ({"mps": True}, "mps"),
        ({}, "cpu"),
    ],
)
def test_auto_selects_the_best_available_device(available_devices, available, expected):
    available_devices(**available)
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["cpu", CPU])
def test_existing_device(device):
    assert resolve_device(device) == available_device(device) == CPU


@pytest.mark.parametrize(
    "device",
    [
        *["cuda:99", "nonsense", "", "cpu:first", torch.device("cuda:99"), "hpu", "meta", "xla"],
        *["privateuseone", "mkldnn", "opengl", "hip", "ipu", "cuda:" + "9" * 400, "CPU"],
    ],
)
@pytest.mark.filterwarnings("error")
def test_missing_device(device):
    message = r'device=.* is not available \(.*\): device="auto" .* devices here are \'cpu\''
    with pytest.raises(ValueError, match=message) as raised:
        resolve_device(device)
    assert len(str(raised.value).splitlines()) == 1
    assert available_device(device) == CPU


def test_numbered_cpus_are_the_cpu():
    assert resolve_device("cpu:0") == resolve_device("cpu:7") == CPU


# --- precision ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "native", "expected"),
    [
        ("float32", True, False),
        ("float32", False, False),
        ("auto", True, True),
        ("auto", False, False),
        ("bfloat16", True, True),
        ("bfloat16", False, True),
    ],
)
def test_precision(monkeypatch, precision, native, expected):
    monkeypatch.setattr(module, "has_bfloat16", lambda device: native)
    context = autocast(CPU, precision)
    assert isinstance(context, torch.autocast if expected else nullcontext)
    with context:
        assert torch.is_autocast_enabled("cpu") == expected
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if expected else torch.float32)
    assert not torch.is_autocast_enabled("cpu")


@pytest.fixture
def empty_cache():
    """Clear the cache of `has_bfloat16` before and after a test."""
    module.has_bfloat16.cache_clear()
    yield
    module.has_bfloat16.cache_clear()


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16", "avx2"])
def test_cpus_with_native_bfloat16(monkeypatch, name):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: True}, raising=False)
    context = autocast(CPU, "auto")
    assert isinstance(context, nullcontext if name == "avx2" else torch.autocast)


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("native", [True, False])
def test_cuda_devices_with_native_bfloat16(monkeypatch, native):
    calls = []
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda **options: calls.append(options) or native
    )
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: (args, options))
    context = autocast(CUDA, "auto")
    assert calls == [{"including_emulation": False}]
    expected = (("cuda",), {"dtype": torch.bfloat16, "cache_enabled": False})
    assert context == expected if native else isinstance(context, nullcontext)


# --- random seeds ------------------------------------------------------------------------------


def test_random_numbers_depend_on_the_seed():
    numbers = []
    for seed in (3, 3, 4):
        with seeded(seed, CPU):
            numbers.append(torch.rand(5))
    assert torch.equal(numbers[0], numbers[1])
    assert not torch.equal(numbers[0], numbers[2])


def draw_and_raise(error):
    with seeded(0, CPU):
        torch.rand(100)
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
def test_global_random_state_does_not_change(error):
    state = torch.get_rng_state()
    with nullcontext() if error is None else pytest.raises(error):
        draw_and_raise(error)
    assert torch.equal(torch.get_rng_state(), state)


def test_nested_seeds():
    with seeded(1, CPU):
        first = torch.rand(3)
        with seeded(2, CPU):
            torch.rand(3)
        second = torch.rand(3)
    with seeded(1, CPU):
        expected = torch.rand(6)
    assert torch.equal(torch.cat([first, second]), expected)


def test_seed_of_mps_devices(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda device="mps": "before")
    monkeypatch.setattr(torch.mps, "manual_seed", calls.append)
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state, device="mps": calls.append(state))
    with seeded(7, torch.device("mps")):
        assert calls == [7]
    assert calls == [7, "before"]
