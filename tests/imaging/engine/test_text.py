"""Text: its shapes, its order, its lines and its colours, looked for in the pixels."""

import random
import unicodedata
from itertools import pairwise

import pytest
from PIL import Image, ImageChops

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Border, Color, Length, Step, Text
from imagestore.imaging.engine import fonts
from imagestore.imaging.engine.shaping import Shaper, clusters, words
from imagestore.imaging.engine.text import draw_text

pytestmark = pytest.mark.quick

RED, WHITE = Color(255, 0, 0), Color(255, 255, 255)
BEH, ALEF, LAM = "\u0628", "\u0627", "\u0644"
KA, VIRAMA, SSA, VOWEL_I = "\u0915", "\u094d", "\u0937", "\u093f"


def draw(text, step=None, **style):
    return draw_text(Text(text=text, **{"size": 40, **style}), step or Step())


def ink(picture):
    return picture.getchannel("A")


def amount(picture):
    return sum(value * count for value, count in enumerate(ink(picture).histogram())) / 255


def bands(picture):
    """Rows with ink, as (first, last) of each connected band."""
    rows = [any(ink(picture).crop((0, y, picture.width, y + 1)).tobytes()) for y in range(picture.height)]
    edges = [y for y in range(len(rows) + 1) if (y < len(rows) and rows[y]) != (y > 0 and rows[y - 1])]
    return list(zip(edges[::2], edges[1::2], strict=True))


def same(first, second):
    return first.size == second.size and first.tobytes() == second.tobytes()


def test_it_is_as_small_as_its_ink():
    picture = draw("Hxg")
    assert picture.mode == "RGBA"
    assert ink(picture).getbbox() == (0, 0, *picture.size)


def test_no_ink_is_one_clear_pixel():
    assert draw("   ").size == (1, 1)
    assert draw("").getpixel((0, 0))[3] == 0


def test_its_own_room_may_be_kept_around_it():
    kept = draw("x", Step(flags=frozenset({"text_no_trim"})))
    trimmed = draw("x")
    assert kept.height > trimmed.height + 20
    left, top, right, bottom = ink(kept).getbbox()
    assert min(left, top, kept.width - right, kept.height - bottom) >= 4
    assert same(kept.crop((left, top, right, bottom)), trimmed)


def test_the_colour_is_everywhere_even_where_it_is_faint():
    picture = draw("Soft edges", Step(color=Color(10, 200, 30)))
    assert {pixel[:3] for pixel in picture.get_flattened_data()} == {(10, 200, 30)}
    assert {0, 255} < set(ink(picture).get_flattened_data())


def test_a_colour_may_be_transparent():
    assert ink(draw("H", Step(color=Color(255, 0, 0, 128)))).getextrema() == (0, 128)


def test_the_size_is_the_one_of_the_font():
    heights = [draw("H", size=size).height for size in (50, 100, 200)]
    assert heights[1] == pytest.approx(2 * heights[0], abs=2)
    assert heights[2] == pytest.approx(2 * heights[1], abs=2)
    assert draw("H", size=100, font="Arial").height == pytest.approx(68.8, abs=1)  # its capitals


def test_names_of_fonts_mean_the_nearest_one_shipped():
    assert same(draw("Rag", font="Arial"), draw("Rag", font="helvetica"))
    assert same(draw("Rag", font="Times New Roman"), draw("Rag", font="times_new_roman"))
    assert same(draw("Rag", font="No Such Font At All"), draw("Rag", font="sans"))
    assert same(draw("Rag", font="Some Odd Mono"), draw("Rag", font="Courier"))
    different = ["Arial", "Roboto", "Open Sans", "Lato", "Times", "Georgia", "Courier", "Impact", "Verdana"]
    different += [
        "Cambria",
        "Comic Sans MS",
        "Lobster",
        "Bebas Neue",
        "Dancing Script",
        "Roboto Slab",
        "Oswald",
    ]
    assert len({draw("Rag", font=name).tobytes() for name in different}) == len(different)


def test_every_family_and_file_is_there_and_used():
    named = {file for files in fonts.FAMILIES.values() for file in files}
    named |= {file for files in fonts._FALLBACKS for file in files} | set(fonts.LIGHT.values())
    assert {path.stem for path in fonts.FOLDER.glob("*.woff2")} == named == set(fonts._coverage())
    assert set(fonts._names().values()) == set(fonts.FAMILIES)


@pytest.mark.parametrize("file", sorted(fonts._coverage()))
def test_what_a_font_is_said_to_have_it_has(file):
    firsts, lasts = fonts._coverage()[file]
    characters = [
        chr(code) for first, last in zip(firsts, lasts, strict=True) for code in range(first, last + 1)
    ]
    face = fonts.Face(file).at(24)
    missing = bytes(face.getmask("\U0010fffe"))
    letters = [each for each in characters if unicodedata.category(each)[0] in "LN"] or characters
    for character in random.Random(file).sample(letters, min(25, len(letters))):
        assert bytes(face.getmask(character)) != missing, hex(ord(character))


@pytest.mark.parametrize(
    "text",
    [
        *("Ελλ", "Рус", "שלום", "مرحبا", "हिन्दी", "বাংলা", "தமிழ்", "ไทย", "తెలుగు", "ಕನ್ನಡ", "ગુજ", "ਪੰਜਾ", "മല"),
        *(
            "ଓଡ଼ି",
            "සිං",
            "ខ្មែរ",
            "ລາວ",
            "မြန်",
            "བོད",
            "ქარ",
            "Հայ",
            "አማር",
            "ᏣᎳ",
            "ދިވެ",
            "ⵜⵉⴼ",
            "ᠮᠣ",
            "ꆈꌠ",
            "ߒߞߏ",
        ),
        *("中文", "日本", "かな", "한국", "ㄅㄆ", "→★", "∑√", "😀", "🇩🇪", "ᐃᓄ", "ܣܘܪ", "𞤀𞤣"),
    ],
)
@pytest.mark.parametrize("font", ["Arial", "Lobster"])
def test_a_font_that_lacks_a_script_borrows_it(text, font):
    shaper = Shaper(Text(text=text, font=font, size=40))
    (line,) = shaper.lines(text)
    for run in line.runs:
        assert run.face.has(fonts._bare(run.text)), run
    assert amount(draw(text, font=font)) > 50


def test_arabic_letters_join():
    isolated = draw(BEH)
    joined = draw(BEH * 3)
    assert joined.width < 2.6 * isolated.width
    columns = [any(ink(joined).crop((x, 0, x + 1, joined.height)).tobytes()) for x in range(joined.width)]
    assert all(columns)
    lone = [draw(BEH + "\u200c" * 1), isolated]
    assert abs(amount(lone[0]) - amount(lone[1])) < 1
    assert abs(amount(joined) - 3 * amount(isolated)) > 20
    assert draw(LAM + ALEF).width < draw(LAM).width + draw(ALEF).width  # the ligature that Arabic must have


def test_devanagari_is_shaped():
    conjunct = draw(KA + VIRAMA + SSA)
    assert conjunct.width < 0.8 * (draw(KA).width + draw(SSA).width)
    with_vowel = draw(KA + VOWEL_I)
    half = with_vowel.width // 2
    consonant = draw(KA)
    right = with_vowel.crop((with_vowel.width - consonant.width, 0, *with_vowel.size))
    assert right.width > half
    # The vowel sign is written after the consonant and stands before it.
    below_line = right.crop((0, right.height - consonant.height, *right.size))
    difference = ImageChops.difference(ink(below_line), ink(consonant))
    assert (
        sum(value > 128 for value in difference.get_flattened_data())
        < 0.1 * consonant.width * consonant.height
    )


def halves(picture):
    middle = picture.width // 2
    parts = [picture.crop((0, 0, middle, picture.height)), picture.crop((middle, 0, *picture.size))]
    return [amount(part) for part in parts]


def test_right_to_left_text_begins_on_the_right():
    # Letters, then dots: what is written first is seen on the right.
    left, right = halves(draw("שששששש ..............."))
    assert right > 2 * left
    left, right = halves(draw("WWWWWW ..............."))
    assert left > 2 * right


def test_numbers_in_right_to_left_text_keep_their_order():
    plain, within = draw("1284", font="Arial"), draw("א 1284", font="Arial")
    seen = within.crop((0, within.height - plain.height, plain.width, within.height))
    assert ImageChops.difference(ink(seen), ink(plain)).getextrema()[1] < 80


def test_brackets_are_mirrored():
    both = draw("א(", font="Arial")
    opening = draw(")", font="Arial")
    seen = both.crop((0, 0, opening.width, opening.height))
    assert ImageChops.difference(ink(seen), ink(opening)).getextrema()[1] < 120


def test_line_heights_are_the_fonts():
    first, second = bands(draw("H\nH", font="Arial", size=100))
    assert second[0] - first[0] == pytest.approx(115, abs=2)  # Arial's ascent and descent
    wide = bands(draw("H\nH", font="Arial", size=100, line_spacing=30))
    assert wide[1][0] - wide[0][0] == second[0] - first[0] + 30
    narrow = bands(draw("H\nH", font="Arial", size=100, line_spacing=-20))
    assert narrow[1][0] - narrow[0][0] == second[0] - first[0] - 20
    empty = bands(draw("H\n\nH", font="Arial", size=100))
    assert empty[1][0] - empty[0][0] == pytest.approx(2 * (second[0] - first[0]), abs=2)


@pytest.mark.parametrize(
    ("text", "align", "place"),
    [
        ("iiiiiiii\nii", "left", 0),
        ("iiiiiiii\nii", "center", 0.5),
        ("iiiiiiii\nii", "right", 1),
        ("iiiiiiii\nii", "start", 0),
        ("iiiiiiii\nii", "end", 1),
        ("יייייייי\nיי", "left", 0),
        ("יייייייי\nיי", "start", 1),
        ("יייייייי\nיי", "end", 0),
    ],
)
def test_alignment(text, align, place):
    picture = draw(text, align=align, font="Arial")
    second = picture.crop((0, picture.height - 12, *picture.size))
    left, _, right, _ = ink(second).getbbox()
    room = picture.width - (right - left)
    assert left == pytest.approx(place * room, abs=2)


LOREM = "the brown fox runs over the sleepy dog and then over one more and two more yet"
"""No letter of it has a dot: each line is one band of ink."""


def test_it_wraps_within_a_width():
    for width in (150, 220, 400):
        box = Step(crop="fit", width=Length(width))
        picture = draw(LOREM, box, size=24)
        assert picture.width <= width
        lines = Shaper(Text(text=LOREM, size=24)).lines(LOREM, width)
        assert len(bands(picture)) == len(lines)
        assert " ".join(line.text for line in lines) == LOREM
        for line, following in pairwise(lines):
            first = following.text.split()[0]
            longer = Shaper(Text(text="", size=24)).lines(f"{line.text} {first}")[0]
            assert longer.width > width


def test_a_word_wider_than_the_line_is_broken():
    lines = Shaper(Text(text="", size=24)).lines("a supercalifragilistic b", 100)
    assert len(lines) >= 3
    assert all(line.width <= 100 for line in lines)
    assert "".join(line.text for line in lines).replace(" ", "") == "asupercalifragilisticb"


def test_a_box_too_narrow_for_a_letter_has_one_on_each_line():
    assert [line.text for line in Shaper(Text(text="", size=24)).lines("abc", 1)] == ["a", "b", "c"]


def test_a_height_cuts_it_short():
    whole = draw(LOREM, Step(crop="fit", width=Length(200)), size=24)
    cut = draw(LOREM, Step(crop="fit", width=Length(200), height=Length(70)), size=24)
    assert cut.height <= 70 < whole.height
    assert len(bands(cut)) == 2


def test_a_relative_width_is_not_for_wrapping():
    assert same(draw(LOREM, Step(crop="fit", width=Length(0.5, relative=True))), draw(LOREM))


def test_justified_lines_reach_both_ends_but_the_last():
    picture = draw(LOREM, Step(crop="fit", width=Length(200)), size=24, align="justify")
    rows = bands(picture)
    assert len(rows) > 3
    for number, (top, bottom) in enumerate(rows):
        left, _, right, _ = ink(picture.crop((0, top, picture.width, bottom))).getbbox()
        full = left <= 3 and right >= picture.width - 3
        assert full == (number < len(rows) - 1)


def test_ideographs_may_end_a_line_anywhere_but_before_a_full_stop():
    lines = Shaper(Text(text="", size=20)).lines("吾輩は猫である。名前はまだ無い。", 150)
    assert [line.text for line in lines] == ["吾輩は猫であ", "る。名前はまだ", "無い。"]


def test_words_and_clusters():
    assert words("well-known a\u00a0b 中文。") == ["well-", "known ", "a\u00a0b ", "中", "文。"]
    assert clusters("e\u0301क\u094dष👍🏽🇩🇪🇫🇷👨\u200d👩") == [
        "e\u0301",
        "क\u094dष",
        "👍🏽",
        "🇩🇪",
        "🇫🇷",
        "👨\u200d👩",
    ]


def test_letters_are_spaced():
    tight, wide = draw("HHHH", font="Arial"), draw("HHHH", font="Arial", letter_spacing=10)
    assert wide.width == pytest.approx(tight.width + 30, abs=2)
    assert draw("HHHH", font="Arial", letter_spacing=-5).width == pytest.approx(tight.width - 15, abs=2)
    assert same(draw(BEH * 3, letter_spacing=10), draw(BEH * 3))  # letters that hang together stay so


def test_bold_and_italic():
    for font in ("Arial", "Times", "Courier", "Roboto", "Georgia", "Lobster", "Verdana"):
        plain = draw("Hill", font=font)
        assert amount(draw("Hill", font=font, weight="bold")) > 1.15 * amount(plain)
        assert not same(draw("Hill", font=font, italic=True), plain)
    for text in ("中文", "བོད"):  # from fonts without such styles
        assert amount(draw(text, weight="bold")) > 1.15 * amount(draw(text))
        leaned = draw(text, italic=True)
        assert leaned.width > draw(text).width
        assert amount(leaned) == pytest.approx(amount(draw(text)), rel=0.02)


def test_light():
    for font in ("Roboto", "Open Sans", "sans"):
        assert amount(draw("Hill", font=font, weight="light")) < 0.85 * amount(draw("Hill", font=font))
    assert same(draw("Hill", font="Arial", weight="light"), draw("Hill", font="Arial"))


def test_lines_under_and_through():
    plain = draw("xx", font="Arial", size=100)
    under = draw("xx", font="Arial", size=100, underline=True)
    assert under.height == pytest.approx(plain.height + 10 + 7, abs=2)
    assert ink(under).crop((0, under.height - 7, *under.size)).getextrema() == (255, 255)
    through = draw("xx", font="Arial", size=100, strikethrough=True)
    row = ink(through).crop((0, 23, through.width, 28))
    assert through.height == plain.height
    assert row.getextrema() == (255, 255)


def test_a_stroke_goes_around_the_letters():
    border = Step(color=WHITE, border=Border(4, RED))
    plain, stroked = draw("H", font="Arial"), draw("H", border, font="Arial", stroke=True)
    assert stroked.size == (plain.width + 8, plain.height + 8)
    assert stroked.getpixel((stroked.width // 2, 5))[3] == 0  # between the stems, at the top
    assert stroked.getpixel((3, stroked.height // 2))[:3] == (255, 0, 0)
    assert (255, 255, 255, 255) in set(stroked.get_flattened_data())
    assert same(draw("H", border, font="Arial"), draw("H", Step(color=WHITE), font="Arial"))


def test_a_background_lies_under_it():
    picture = draw("H", Step(color=WHITE, background=RED))
    assert ink(picture).getextrema() == (255, 255)
    assert picture.getpixel((picture.width // 2, 0)) == (255, 0, 0, 255)


def test_emoji_are_in_colour_and_without_dark_edges():
    picture = draw("❤️")
    assert max(picture.get_flattened_data(), key=lambda pixel: pixel[3])[0] > 200
    faint = [pixel for pixel in picture.get_flattened_data() if 40 < pixel[3] < 200]
    assert faint
    assert all(pixel[0] > 180 for pixel in faint)
    assert ink(draw("😀", Step(color=Color(0, 0, 0, 100)))).getextrema()[1] == 100
    assert draw("👍🏽").width == draw("👍").width  # a skin tone is no picture of its own


def test_marks_belong_to_their_letters():
    assert same(draw("e\u0301"), draw("\u00e9"))


def test_what_cannot_be_seen_is_left_out():
    assert same(draw("a\u0007\u202eb\u2066"), draw("ab"))
    assert same(draw("a\r\nb"), draw("a\nb"))


@pytest.mark.parametrize(
    ("text", "style", "said"),
    [
        ("x" * 4097, {}, "4096"),
        ("x", {"size": 1001}, "1000"),
        ("x", {"size": 0.5}, "1000"),
        ("W" * 1000, {"size": 100}, "16384"),
        ("x\n" * 2000, {"size": 100}, "16384"),
        ("W" * 4000, {"size": 500, "letter_spacing": -500}, "smaller"),
    ],
)
def test_bounds(text, style, said):
    with pytest.raises(InvalidTransformation, match=said):
        draw(text, **style)


def test_without_raqm_there_is_no_text_but_a_reason(monkeypatch):
    monkeypatch.setattr(fonts.features, "check", lambda name: name != "raqm")
    with pytest.raises(InvalidTransformation, match="raqm"):
        draw("x")


def test_a_stroke_has_bounds_too():
    with pytest.raises(InvalidTransformation, match="smaller"):
        draw("Lorem ipsum " * 9, Step(border=Border(2000, RED)), stroke=True)


def test_no_text_is_too_odd():
    dice = random.Random(7)
    for _ in range(60):
        text = "".join(
            chr(dice.choice([dice.randrange(32, 0xD800), dice.randrange(0xE000, 0x110000)]))
            for _ in range(12)
        )
        picture = draw(text, Step(crop="fit", width=Length(60)), size=18, align="justify", letter_spacing=1)
        assert isinstance(picture, Image.Image)


@pytest.mark.parametrize("text", ["a b c", "é", "שלום W", "हिन्दी 😀"])
@pytest.mark.parametrize("align", ["left", "center", "justify"])
def test_letters_may_lie_on_one_another(text, align):
    spaced = draw(
        text, size=30, letter_spacing=-400, underline=True, strikethrough=True, align=align, italic=True
    )
    assert 1 < spaced.width <= draw(text, size=30, underline=True, italic=True).width + 1
    assert ink(spaced).getbbox() == (0, 0, *spaced.size)
    kept = Step(flags=frozenset({"text_no_trim"}), background=RED)
    assert min(draw(text, kept, size=1, letter_spacing=-400, align=align).size) >= 1
