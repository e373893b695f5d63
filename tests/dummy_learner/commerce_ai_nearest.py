"""Product factors by scikit-learn's truncated SVD: a learner for `recommendation.candidates` from another package."""

from dataclasses import dataclass

import numpy as np

from commerce_ai.learning.learner import Metric
from plugins.recommendation import popularity, protocol
from plugins.recommendation.learner import CandidatesLearner, Fitted
from plugins.recommendation.scorer import CandidateScorer, read_arrays, top


@dataclass(frozen=True)
class Params:
    """`factors`: how many. `seed`: of the randomised SVD. `remove_seen`, `kind_weights`: as in the other learners."""

    factors: int = 32
    seed: int = 0
    remove_seen: bool = True
    kind_weights = {"view": 0.2, "cart": 0.5, "wishlist": 0.5}


class FactorsScorer(CandidateScorer):
    source = "factors"

    def _best(self, products, weights, n, keep, seen, customer_index):
        factors = self.arrays["factors"]
        scores = factors @ (weights @ factors[products])
        scores = scores if keep is None else np.where(keep, scores, -np.inf)
        best = top(scores, n)
        best = best[scores[best] > 0]
        return best.astype(np.int32), scores[best].astype(np.float32)


class FactorsLearner(CandidatesLearner):
    name, params = "nearest.factors", Params
    metric = Metric("ndcg@20", "max", "popularity")

    def _choose(self, rows, later, params, report):
        return params

    def _fit(self, rows, params, report):
        from scipy.sparse import csr_matrix
        from sklearn.decomposition import TruncatedSVD

        table = csr_matrix((rows.weight, (rows.customer, rows.product)), shape=rows.shape)
        svd = TruncatedSVD(min(params.factors, min(rows.shape) - 1), random_state=params.seed).fit(table.log1p())
        arrays = popularity.common_arrays(rows, recency_half_life=0, half_life_days=0)
        return Fitted({**arrays, "factors": svd.components_.T.astype(np.float32)}, params)

    def load(self, folder):
        arrays, about = read_arrays(folder)
        return FactorsScorer(arrays, about["params"])

    def evaluate(self, scorer, test):
        return protocol.evaluate(scorer, popularity.as_popularity(scorer.arrays, scorer.params), test["interactions"])
