"""Mean and variance of data that come in parts, each part let go before the next one."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Number, mean and summed squares of vectors, each component by itself, in float64.

    Attributes:
        count: n.
        mean: sum_i x_i / n, `c`; 0 of none.
        squares: sum_i (x_i - mean)^2, `c`.
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @staticmethod
    def of(values: np.ndarray) -> "Moments":
        """Those of the rows of `n c`, in two passes."""
        exact = values.astype(np.float64)
        count = len(exact)
        mean = exact.sum(axis=0) / max(count, 1)
        return Moments(count=count, mean=mean, squares=np.square(exact - mean).sum(axis=0))

    def merged(self, other: "Moments") -> "Moments":
        """Those of both parts together (Chan, Golub & LeVeque 1979, eq. 2.1).

        With n = n_a + n_b and d = mean_b - mean_a:
        mean = mean_a + d n_b / n, squares = squares_a + squares_b + d^2 n_a n_b / n.
        """
        count = self.count + other.count
        share = other.count / max(count, 1)
        apart = other.mean - self.mean
        return Moments(
            count=count,
            mean=self.mean + apart * share,
            squares=self.squares + other.squares + np.square(apart) * self.count * share,
        )

    @property
    def std(self) -> np.ndarray:
        """Standard deviation with 1 / n, `c`."""
        return np.sqrt(self.squares / max(self.count, 1))
