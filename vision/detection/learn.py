"""What a network's last layers do, found by asking them: nothing depends on how an exporter wrote them down.

One cell is lit: the answer tells the anchors and the order of the scales. Then a head of ours must say what the layers
say of numbers drawn at random, for every cell; where none does, the network runs as it was exported.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from vision.detection.decode import Layout, candidates
from vision.detection.heads import AnchorHead, Array, DistanceHead, Head
from vision.errors import ModelError

Layers = Callable[[Sequence[Array]], Array]  # what convolutions said, each (channels, h, w), to the network's output
Learnt = tuple[Head, tuple[int, ...]]  # and the order in which it takes the convolutions' outputs
LIT: Final = 20.0  # as a logit, a score of 1; as much below 0, of 0
SPREAD: Final = 2.0  # of the logits drawn at random
SAME_CLASS: Final = 0.999  # of all cells: two classes that score alike are told apart by rounding


class UnknownHeadError(ModelError):
    """The last layers do what none of our heads does."""


def learn_head(
    layers: Layers, shapes: Sequence[tuple[int, ...]], layout: Layout, classes: int, size: tuple[int, int]
) -> Learnt:
    """The head that decodes as `layers` do.

    Args:
        layers: the network's last ones.
        shapes: (channels, h, w) of what goes into them, an array each.
        layout: of what comes out.
        classes: how many the network knows.
        size: width and height of the network's input, for these shapes.

    Raises:
        UnknownHeadError: none does.
    """
    if layout == "end2end":
        raise UnknownHeadError("its boxes are suppressed within the network")
    heads = _anchor_heads if layout == "v5" else _distance_heads
    rng = np.random.default_rng(1)
    drawn = [SPREAD * rng.standard_normal(shape, np.float32) for shape in shapes]
    wanted = candidates(layers(drawn), layout, 0.0)
    for head, order in heads(layers, shapes, classes, size[1]):
        taken = [np.moveaxis(drawn[number], 0, -1) if head.channels_last else drawn[number] for number in order]
        if _same(head.boxes(taken, 0.0), wanted):
            return head, order
    raise UnknownHeadError("its last layers are none that we know")


def _anchor_heads(layers: Layers, shapes: Sequence[tuple[int, ...]], classes: int, height: int) -> Iterator[Learnt]:
    fields = 5 + classes
    if any(channels % fields for channels, *_ in shapes):
        raise UnknownHeadError(f"its last convolutions have {[c for c, *_ in shapes]} channels for {classes} classes")
    lit = [np.zeros(shape, np.float32) for shape in shapes]
    for grid in lit:
        grid[4::fields] = -LIT
        grid[4::fields, 0, 0] = LIT
    rows = layers(lit)
    rows = rows[rows[:, 4] > 0.5]
    strides = _strides(rows[:, 0])
    numbers = {height // h: number for number, (_, h, _) in enumerate(shapes)}
    if sorted(strides) != sorted(numbers):
        raise UnknownHeadError(f"its scales are {sorted(numbers)} pixels a cell, its boxes tell {strides}")
    anchors = tuple(rows[np.round(2 * rows[:, 0]) == stride, 2:4] for stride in strides)
    order = tuple(numbers[stride] for stride in strides)
    if [len(of_scale) * fields for of_scale in anchors] != [shapes[number][0] for number in order]:
        raise UnknownHeadError("its boxes do not tell an anchor each")
    yield AnchorHead(strides=strides, anchors=anchors, growth="square"), order
    yield AnchorHead(strides=strides, anchors=anchors, growth="exponential"), order


def _distance_heads(layers: Layers, shapes: Sequence[tuple[int, ...]], classes: int, height: int) -> Iterator[Learnt]:
    numbers: dict[int, list[int]] = {}
    for number in sorted(range(len(shapes)), key=lambda number: shapes[number][0] == classes):  # sides, then classes
        numbers.setdefault(height // shapes[number][1], []).append(number)
    channels = {sum(shapes[number][0] for number in of_scale) for of_scale in numbers.values()}
    parts = {len(of_scale) for of_scale in numbers.values()}
    if len(channels) != 1 or len(parts) != 1 or max(parts) > 2 or (min(channels) - classes) % 4:
        raise UnknownHeadError(f"its last convolutions have {[c for c, *_ in shapes]} channels for {classes} classes")
    lit = [np.zeros(shape, np.float32) for shape in shapes]
    for of_scale in numbers.values():
        scores = lit[of_scale[-1]][-classes:]
        scores[:] = -LIT
        scores[0, 0, 0] = LIT
    columns = layers(lit)
    strides = _strides(columns[0, columns[4] > 0.5])
    if sorted(strides) != sorted(numbers):
        raise UnknownHeadError(f"its scales are {sorted(numbers)} pixels a cell, its boxes tell {strides}")
    order = tuple(number for stride in strides for number in numbers[stride])
    yield DistanceHead(strides=strides, steps=(min(channels) - classes) // 4), order


def _strides(centres: Array) -> tuple[int, ...]:
    """Of each scale, in the order told, out of how far right the middle of its first cell lies."""
    return tuple(dict.fromkeys(round(2 * float(centre)) for centre in centres))


def _same(got: Array, wanted: Array) -> bool:
    return (
        got.shape == wanted.shape
        and np.allclose(got[:, :5], wanted[:, :5], rtol=1e-3, atol=1e-3)
        and float(np.mean(got[:, 5] == wanted[:, 5])) >= SAME_CLASS
    )
