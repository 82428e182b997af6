"""Text that fits into a width."""

import pytest

from skcnn.inspection._text import fit_name, literal_name, shorten, text_width, wrap


@pytest.mark.parametrize(
    ("text", "n_characters", "short"),
    [("abc", 3, "abc"), ("abcdef", 5, "ab…ef"), ("abcdef", 4, "ab…f"), ("abcdef", 1, "…")],
)
def test_long_texts_are_shortened(text, n_characters, short):
    assert shorten(text, n_characters) == short


def test_names_are_one_line_without_formulas():
    assert literal_name("$x$\n  b", 24) == r"\$x\$ b"
    assert literal_name(12345, 3) == "1…5"


def test_only_drawing_warns_about_missing_glyphs(recwarn):
    assert text_width("中", 9) > 0
    assert not recwarn.list


def test_width_is_that_of_drawn_text(plt):
    figure = plt.figure()
    for text in ("golden retriever", "$5", "iiii"):
        artist = figure.text(0, 0, text, fontsize=9, parse_math=False)
        drawn = artist.get_window_extent().width / figure.dpi
        assert text_width(text, 9) == pytest.approx(drawn, rel=0.15)


def test_only_the_name_is_shortened():
    assert fit_name("cat", "{} (99%)", 2, 9) == "cat (99%)"
    assert fit_name("line\n  break", "{}", 2, 9) == "line break"
    line = fit_name("a very long name of a class", "true: {} (99%)", 1.5, 9)
    assert text_width(line, 9) <= 1.5
    assert line.startswith("true: a ver")
    assert line.endswith("lass (99%)")
    assert fit_name("name", "true: {}", 0.1, 9) == "true: …"


def test_lines_are_broken_between_words():
    text = "the 12 least confident predictions among 500 images"
    lines = wrap(text, 1.5, 10)
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(text_width(line, 10) <= 1.5 for line in lines)
    assert wrap("unbreakable", 0.1, 10) == ["unbreakable"]
