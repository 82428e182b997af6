"""What is wrong with the text of a figure: overlaps, and text beyond the edges."""

from itertools import combinations

from matplotlib.text import Text
from matplotlib.transforms import Bbox


def assert_legible(figure):
    """Assert that no text of a figure overlaps another or is clipped at the edge."""
    boxes = drawn_texts(figure)
    edges = figure.bbox.padded(1)
    clipped = [text for text, box in boxes if not (edges.min <= box.min).all()]
    clipped += [text for text, box in boxes if not (edges.max >= box.max).all()]
    assert not clipped, f"clipped: {clipped}"
    overlaps = [
        (text, other)
        for (text, box), (other, other_box) in combinations(boxes, 2)
        if Bbox.intersection(box.padded(-1), other_box.padded(-1)) is not None
    ]
    assert not overlaps, f"overlapping: {overlaps}"


def drawn_texts(figure):
    """Draw a figure, and return each text that is drawn with its bounding box in pixels."""
    drawn = []
    draw = Text.draw

    def record(text, renderer, *args, **kwargs):
        draw(text, renderer, *args, **kwargs)
        if text.get_visible() and text.get_text().strip():
            drawn.append((text.get_text(), text.get_window_extent(renderer)))

    Text.draw = record
    try:
        figure.canvas.draw()
    finally:
        Text.draw = draw
    return drawn
