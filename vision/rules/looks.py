"""The last looks at a street, and what most of them agree on."""

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]


class Looks:
    """The last looks and, pixel by pixel, their order: a new one finds its place in it, whole pictures at once."""

    def __init__(self, most: int) -> None:
        self._looks: deque[Grey] = deque(maxlen=most)
        self._ranked: list[Grey] = []

    def keep(self, most: int) -> None:
        """From now on no more than the newest `most` count."""
        if self._looks.maxlen != most:
            self._looks = deque(list(self._looks)[-most:], maxlen=most)
            self._rank(self._looks)

    def add(self, look: Grey) -> None:
        """Take a look in; the oldest goes where they are too many."""
        full = len(self._looks) == self._looks.maxlen
        self._looks.append(look)
        self._rank(self._looks if full else [look], anew=full)

    def median(self) -> Grey:
        """Pixel by pixel."""
        count = len(self._ranked)
        middle = self._ranked[count // 2]
        return middle.copy() if count % 2 else (self._ranked[count // 2 - 1] + middle) * np.float32(0.5)

    def _rank(self, looks: Iterable[Grey], *, anew: bool = True) -> None:
        ranked: list[Grey] = [] if anew else self._ranked
        for look in looks:
            rising, spare = look.copy(), np.empty_like(look)
            for rank, there in enumerate(ranked):
                np.minimum(there, rising, out=spare)
                np.maximum(there, rising, out=rising)
                ranked[rank], spare = spare, there
            ranked.append(rising)
        self._ranked = ranked
