"""A few cases of the fuzz script in tests/fuzz, which has to find nothing."""

from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent / "fuzz"
N_CASES = 25


@pytest.fixture
def pool(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)
    module = pytest.importorskip("_pool")
    n_threads = torch.get_num_threads()
    module.warm_up()  # sets the number of threads
    yield module
    torch.set_num_threads(n_threads)


@pytest.mark.parametrize("group", ["case", "file"])
def test_cases_of_the_fuzz_script_find_nothing(pool, group):
    checks, kinds = zip(
        *(pool.run_case(0, group, number) for number in range(N_CASES)), strict=True
    )
    assert set(kinds) <= {function.__name__ for function in pool.TABLES[group]}
    assert sum(len(check.calls) for check in checks) > N_CASES
    assert [finding for check in checks for finding in check.findings] == []


def test_a_case_is_a_function_of_its_seed_and_number(pool):
    first, second, other = (pool.run_case(seed, "case", 3)[0].calls for seed in (0, 0, 1))
    assert first == second
    assert first != other
