"""The conditional and range rules of HTTP as a table: what is asked, by which section, what must come back.

In the request's fields `{etag}`, `{modified}`, `{before}` and `{after}` stand for the image's validators and
for a second before and after its Last-Modified. A body is named by the slice of the image that it must be.
"""

from dataclasses import dataclass, field

SIZE = 100_000
"""The image's size in bytes is brought to this by the test that uploads it."""

Slice = tuple[int, int]
WHOLE: Slice = (0, SIZE)


@dataclass(frozen=True)
class Exchange:
    name: str
    section: str
    fields: dict[str, str] = field(default_factory=dict)
    status: int = 200
    body: Slice | None = WHOLE
    method: str = "GET"

    def __str__(self) -> str:
        return f"{self.section} {self.name}"


def plain(name: str, section: str, status: int = 200, **fields: str) -> Exchange:
    """One whose body is the whole image for a 200 and none of it otherwise."""
    return Exchange(name, section, _named(fields), status, WHOLE if status == 200 else None)


def ranged(name: str, wanted: str, body: Slice | None, **fields: str) -> Exchange:
    """One that asks for a range: `body` None means 416, the whole image 200, anything else 206."""
    status = 416 if body is None else 200 if body == WHOLE and "whole" in name else 206
    section = fields.pop("section", "RFC 9110 14.2")
    return Exchange(name, section, {"Range": wanted} | _named(fields), status, body)


def head(name: str, section: str, status: int = 200, **fields: str) -> Exchange:
    return Exchange(name, section, _named(fields), status, None, "HEAD")


def _named(fields: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-").title(): value for name, value in fields.items()}


MATCH = "RFC 9110 13.1.1"
NONE_MATCH = "RFC 9110 13.1.2"
MODIFIED_SINCE = "RFC 9110 13.1.3"
UNMODIFIED_SINCE = "RFC 9110 13.1.4"
IF_RANGE = "RFC 9110 13.1.5"
ORDER = "RFC 9110 13.2.2"
RANGE = "RFC 9110 14.1.2"

CONDITIONS = [
    plain("no condition", "RFC 9110 9.3.1"),
    plain("if-match, the tag", MATCH, if_match='"{etag}"'),
    plain("if-match, star", MATCH, if_match="*"),
    plain("if-match, in a list", MATCH, if_match='"x", "{etag}", "y"'),
    plain("if-match, in a list without spaces", MATCH, if_match='"x","{etag}"'),
    plain("if-match, another tag", MATCH, 412, if_match='"x"'),
    plain("if-match, a list of others", MATCH, 412, if_match='"x", "y"'),
    plain("if-match, weak never matches", MATCH, 412, if_match='W/"{etag}"'),
    plain("if-match, a tag with a comma in it", MATCH, 412, if_match='"x,{etag}"'),
    plain("if-match, empty tag", MATCH, 412, if_match='""'),
    plain("if-none-match, the tag", NONE_MATCH, 304, if_none_match='"{etag}"'),
    plain("if-none-match, star", NONE_MATCH, 304, if_none_match="*"),
    plain("if-none-match, weak matches", NONE_MATCH, 304, if_none_match='W/"{etag}"'),
    plain("if-none-match, in a list", NONE_MATCH, 304, if_none_match='"x", "{etag}"'),
    plain("if-none-match, weak in a list", NONE_MATCH, 304, if_none_match='"x", W/"{etag}", "y"'),
    plain("if-none-match, another tag", NONE_MATCH, if_none_match='"x"'),
    plain("if-none-match, part of the tag", NONE_MATCH, if_none_match='"{etag}0"'),
    plain("if-none-match, a list of others", NONE_MATCH, if_none_match='"x", W/"y"'),
    plain("if-modified-since, the same second", MODIFIED_SINCE, 304, if_modified_since="{modified}"),
    plain("if-modified-since, later", MODIFIED_SINCE, 304, if_modified_since="{after}"),
    plain("if-modified-since, earlier", MODIFIED_SINCE, if_modified_since="{before}"),
    plain("if-modified-since, long ago", MODIFIED_SINCE, if_modified_since="Sun, 06 Nov 1994 08:49:37 GMT"),
    plain(
        "if-modified-since, RFC 850 form",
        "RFC 9110 5.6.7",
        if_modified_since="Sunday, 06-Nov-94 08:49:37 GMT",
    ),
    plain("if-modified-since, asctime form", "RFC 9110 5.6.7", if_modified_since="Sun Nov  6 08:49:37 1994"),
    plain("if-modified-since, no date", MODIFIED_SINCE, if_modified_since="yesterday"),
    plain("if-modified-since, empty", MODIFIED_SINCE, if_modified_since=""),
    plain("if-unmodified-since, the same second", UNMODIFIED_SINCE, if_unmodified_since="{modified}"),
    plain("if-unmodified-since, later", UNMODIFIED_SINCE, if_unmodified_since="{after}"),
    plain("if-unmodified-since, earlier", UNMODIFIED_SINCE, 412, if_unmodified_since="{before}"),
    plain("if-unmodified-since, no date", UNMODIFIED_SINCE, if_unmodified_since="soon"),
    plain("if-match holds, then if-none-match", ORDER, 304, if_match='"{etag}"', if_none_match='"{etag}"'),
    plain("if-match fails before if-none-match", ORDER, 412, if_match='"x"', if_none_match='"{etag}"'),
    plain(
        "if-match switches if-unmodified-since off",
        ORDER,
        if_match='"{etag}"',
        if_unmodified_since="{before}",
    ),
    plain(
        "if-none-match switches if-modified-since off",
        ORDER,
        if_none_match='"x"',
        if_modified_since="{after}",
    ),
    plain(
        "if-none-match matches whatever the date",
        ORDER,
        304,
        if_none_match='"{etag}"',
        if_modified_since="{before}",
    ),
    plain(
        "if-unmodified-since fails first",
        ORDER,
        412,
        if_unmodified_since="{before}",
        if_none_match='"{etag}"',
    ),
]

RANGES = [
    ranged("first byte", "bytes=0-0", (0, 1)),
    ranged("first bytes", "bytes=0-499", (0, 500)),
    ranged("middle", "bytes=500-999", (500, 1000)),
    ranged("last byte", f"bytes={SIZE - 1}-{SIZE - 1}", (SIZE - 1, SIZE)),
    ranged("open end", "bytes=99000-", (99_000, SIZE)),
    ranged("open from the start", "bytes=0-", (0, SIZE)),
    ranged("end beyond the size", "bytes=99990-200000", (99_990, SIZE)),
    ranged("exactly all", f"bytes=0-{SIZE - 1}", (0, SIZE)),
    ranged("suffix of one", "bytes=-1", (SIZE - 1, SIZE)),
    ranged("suffix", "bytes=-500", (SIZE - 500, SIZE)),
    ranged("suffix longer than the image", "bytes=-999999", (0, SIZE)),
    ranged("unit in capitals", "BYTES=0-4", (0, 5), section="RFC 9110 14.1"),
    ranged("spaces in the list", "bytes= 0-4 ,", (0, 5), section=RANGE),
    ranged("empty list elements", "bytes=,0-4,", (0, 5), section="RFC 9110 5.6.1.2"),
    ranged("two that touch, one answer", "bytes=0-4,5-9", (0, 10), section="RFC 9110 15.3.7.2"),
    ranged("two that overlap, one answer", "bytes=0-9,5-19", (0, 20), section="RFC 9110 15.3.7.2"),
    ranged("two out of order, one answer", "bytes=5-9,0-4", (0, 10), section="RFC 9110 15.3.7.2"),
    ranged("two with a gap, the whole", "bytes=0-4,10-14", WHOLE),
    ranged("one that fits of two", "bytes=0-4,200000-", (0, 5)),
    ranged("a hundred ranges, the whole", "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(100)), WHOLE),
    ranged("start at the size", f"bytes={SIZE}-", None, section="RFC 9110 15.5.17"),
    ranged("start beyond the size", "bytes=200000-200001", None, section="RFC 9110 15.5.17"),
    ranged("suffix of nothing", "bytes=-0", None, section=RANGE),
    ranged("none of two fits", "bytes=200000-,300000-", None, section="RFC 9110 15.5.17"),
    ranged("last before first, the whole", "bytes=9-5", WHOLE, section=RANGE),
    ranged("no number, the whole", "bytes=-", WHOLE, section=RANGE),
    ranged("letters, the whole", "bytes=a-b", WHOLE, section=RANGE),
    ranged("negative, the whole", "bytes=--5", WHOLE, section=RANGE),
    ranged("no unit, the whole", "0-4", WHOLE),
    ranged("another unit, the whole", "items=0-4", WHOLE, section="RFC 9110 14.2"),
    ranged("empty, the whole", "bytes=", WHOLE, section=RANGE),
    ranged("digits of another script, the whole", "bytes=\u0660-\u0664", WHOLE, section=RANGE),
    ranged("a huge number", "bytes=0-99999999999999999", (0, SIZE)),
    ranged("if-range, the tag", "bytes=0-4", (0, 5), section=IF_RANGE, if_range='"{etag}"'),
    ranged("if-range, another tag: the whole", "bytes=0-4", WHOLE, section=IF_RANGE, if_range='"x"'),
    ranged("if-range, weak: the whole", "bytes=0-4", WHOLE, section=IF_RANGE, if_range='W/"{etag}"'),
    ranged("if-range, the date", "bytes=0-4", (0, 5), section=IF_RANGE, if_range="{modified}"),
    ranged("if-range, a later date: the whole", "bytes=0-4", WHOLE, section=IF_RANGE, if_range="{after}"),
    ranged("if-range, an earlier date: the whole", "bytes=0-4", WHOLE, section=IF_RANGE, if_range="{before}"),
    ranged("if-range, no date: the whole", "bytes=0-4", WHOLE, section=IF_RANGE, if_range="never"),
    ranged(
        "if-range, other tag, no range fits: the whole",
        "bytes=200000-",
        WHOLE,
        section=IF_RANGE,
        if_range='"x"',
    ),
    Exchange("if-range without range", IF_RANGE, {"If-Range": '"{etag}"'}),
    Exchange("range after a 304", ORDER, {"Range": "bytes=0-4", "If-None-Match": '"{etag}"'}, 304, None),
    Exchange("range after a 412", ORDER, {"Range": "bytes=0-4", "If-Match": '"x"'}, 412, None),
    Exchange(
        "range with a condition that holds",
        ORDER,
        {"Range": "bytes=0-4", "If-Match": '"{etag}"'},
        206,
        (0, 5),
    ),
]

HEADS = [
    head("no condition", "RFC 9110 9.3.2"),
    head("range is for GET alone", "RFC 9110 14.2", range="bytes=0-4"),
    head("range that does not fit", "RFC 9110 14.2", range="bytes=200000-"),
    head("if-none-match", NONE_MATCH, 304, if_none_match='"{etag}"'),
    head("if-modified-since", MODIFIED_SINCE, 304, if_modified_since="{modified}"),
    head("if-match fails", MATCH, 412, if_match='"x"'),
    head("if-unmodified-since fails", UNMODIFIED_SINCE, 412, if_unmodified_since="{before}"),
]

EXCHANGES = CONDITIONS + RANGES + HEADS
