"""Kinds of demand, by how often and how evenly a product sells.

Syntetos, Boylan and Croston: *On the categorization of demand patterns*, JORS 2005: the mean interval between demands
(ADI, cut 1.32) and the squared coefficient of variation of their size (CV², cut 0.49).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plugins.inventory.features import Floats

CLASSES = ("smooth", "erratic", "intermittent", "lumpy", "new")
SMOOTH, ERRATIC, INTERMITTENT, LUMPY, NEW = range(5)
ADI_CUT, CV2_CUT = 1.32, 0.49
NEW_DAYS, NEW_DEMANDS = 56, 4  # fewer days since the first sale, or days with a sale: too little to tell


def classes(units: Floats) -> npt.NDArray[np.int64]:
    """The class of each row of `units` [products × days, nan before the first sale], as its place in `CLASSES`."""
    started, sold = ~np.isnan(units), np.nan_to_num(units) > 0
    days, demands = started.sum(axis=1), sold.sum(axis=1)
    interval = days / np.maximum(demands, 1)
    size = np.where(sold, units, 0.0)
    mean = size.sum(axis=1) / np.maximum(demands, 1)
    variance = np.where(sold, (size - mean[:, None]) ** 2, 0.0).sum(axis=1) / np.maximum(demands, 1)
    cv2 = variance / np.maximum(mean, 1e-12) ** 2
    found = np.where(
        interval < ADI_CUT,
        np.where(cv2 < CV2_CUT, SMOOTH, ERRATIC),
        np.where(cv2 < CV2_CUT, INTERMITTENT, LUMPY),
    )
    return np.where((days < NEW_DAYS) | (demands < NEW_DEMANDS), NEW, found)
