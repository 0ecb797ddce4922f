import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from mapping.evaluation.matching import maximum_matching


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (50, 50)])
@pytest.mark.parametrize("density", [0.01, 0.03, 0.1])
def test_as_many_are_matched_as_scipy_matches(shape, density):
    rng = np.random.default_rng(0)
    for _ in range(10):
        graph = csr_array(random_array(shape, density=density, rng=rng))
        rows = np.flatnonzero(rng.random(shape[0]) < 0.8)
        mate = maximum_matching(graph.indptr, graph.indices, rows, shape[1])
        expected = np.count_nonzero(maximum_bipartite_matching(graph[rows], perm_type="column") >= 0)
        matched = mate >= 0
        assert np.count_nonzero(matched) == expected
        assert len(set(mate[matched])) == expected
        assert (graph.toarray()[rows[matched], mate[matched]] != 0).all()


def test_a_chain_is_untangled():
    n = 200  # row i may match columns i and i + 1, the last row column 0 alone: every greedy choice must move on
    columns = np.concatenate([[i, i + 1] for i in range(n - 1)] + [[0]]).astype(np.int32)
    starts = np.append(np.arange(0, 2 * n, 2), 2 * n - 1).astype(np.int32)
    mate = maximum_matching(starts, columns, np.arange(n), n)
    assert sorted(mate) == list(range(n))


def test_no_rows_match_nothing():
    empty = np.zeros(1, np.int32)
    assert len(maximum_matching(empty, empty, np.zeros(0, np.intp), 3)) == 0
