"""The fuzz script in tests/fuzz runs: a few of its cases, whose findings it reports itself."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "fuzz"
N_CASES = 25


@pytest.fixture
def pool(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)
    return pytest.importorskip("_pool")


@pytest.mark.parametrize("group", ["case", "file"])
def test_cases_of_the_fuzz_script_run(pool, group):
    checks = [pool.run_case(0, group, number)[0] for number in range(N_CASES)]
    kinds = {kind for _, kind in (pool.run_case(0, group, number) for number in range(3))}
    assert kinds <= {function.__name__ for function in pool.TABLES[group]}
    assert sum(len(check.calls) for check in checks) > N_CASES
    assert not [f for check in checks for f in check.findings if f.kind == "case failed"]


def test_a_case_is_a_function_of_its_seed_and_number(pool):
    first, second, other = (pool.run_case(seed, "case", 3)[0].calls for seed in (0, 0, 1))
    assert first == second
    assert first != other
