"""Device, precision and random numbers."""

from contextlib import nullcontext

import pytest
import torch

from skcnn.training import device as module
from skcnn.training.device import autocast, available_device, resolve_device, seeded

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def devices(monkeypatch):
    def choose(cuda=False, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return choose


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"cuda": True}, "cuda"),
        ({"cuda": True, "mps": True}, "cuda"),
        ({"mps": True}, "mps"),
        ({}, "cpu"),
    ],
)
def test_auto_takes_what_there_is(devices, there, expected):
    devices(**there)
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["cpu", CPU])
def test_a_device_that_exists(device):
    assert resolve_device(device) == available_device(device) == CPU


@pytest.mark.parametrize(
    "device", ["cuda:99", "nonsense", "", "cpu:first", torch.device("cuda:99")]
)
def test_a_device_that_does_not_exist(device):
    with pytest.raises(ValueError, match=r'device=.* is not available \(.*\): device="auto"'):
        resolve_device(device)
    assert available_device(device) == CPU


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
def asked_anew():
    """Forget what the real devices can, and what those of a test could."""
    module.has_bfloat16.cache_clear()
    yield
    module.has_bfloat16.cache_clear()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16", "avx2"])
def test_processors_that_compute_bfloat16_natively(monkeypatch, name):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: True}, raising=False)
    context = autocast(CPU, "auto")
    assert isinstance(context, nullcontext if name == "avx2" else torch.autocast)


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize("native", [True, False])
def test_cuda_devices_that_compute_bfloat16_natively(monkeypatch, native):
    asked = []
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda **options: asked.append(options) or native
    )
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: (args, options))
    context = autocast(CUDA, "auto")
    assert asked == [{"including_emulation": False}]
    expected = (("cuda",), {"dtype": torch.bfloat16, "cache_enabled": False})
    assert context == expected if native else isinstance(context, nullcontext)


# --- random numbers ----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers():
    numbers = []
    for seed in (3, 3, 4):
        with seeded(seed, CPU):
            numbers.append(torch.rand(5))
    assert torch.equal(numbers[0], numbers[1])
    assert not torch.equal(numbers[0], numbers[2])


def draw_seeded(error):
    with seeded(0, CPU):
        torch.rand(100)
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
def test_the_global_numbers_stay_as_they_were(error):
    state = torch.get_rng_state()
    with nullcontext() if error is None else pytest.raises(error):
        draw_seeded(error)
    assert torch.equal(torch.get_rng_state(), state)


def test_seeds_can_be_nested():
    with seeded(1, CPU):
        first = torch.rand(3)
        with seeded(2, CPU):
            torch.rand(3)
        second = torch.rand(3)
    with seeded(1, CPU):
        expected = torch.rand(6)
    assert torch.equal(torch.cat([first, second]), expected)


def test_random_numbers_of_apple_devices(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda device="mps": "before")
    monkeypatch.setattr(torch.mps, "manual_seed", calls.append)
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state, device="mps": calls.append(state))
    with seeded(7, torch.device("mps")):
        assert calls == [7]
    assert calls == [7, "before"]
