"""The planner: samples of long logs tell what the whole would, sizes for a wish, and a picture."""

from __future__ import annotations

import io
import random
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from imagestore.imaging.engine.plotting import draw_png
from imagestore.library.accesslog import Delivery
from imagestore.library.planchart import chart
from imagestore.library.planner import Plan, Sample, make_plan, sample_of

pytestmark = pytest.mark.quick
MIB = 1024 * 1024


def drawn(count: int, objects: int) -> list[tuple[str, int]]:
    chance = random.Random(3)
    sizes = [round(chance.lognormvariate(9.5, 1)) for _ in range(objects)]
    weights = [1 / (rank + 1) ** 0.8 for rank in range(objects)]
    return [(f"object {each}", sizes[each]) for each in chance.choices(range(objects), weights, k=count)]


def sampled(requests: list[tuple[str, int]], most: int) -> Sample:
    sample = Sample(most)
    for name, size in requests:
        sample.add(name, size, None)
    return sample


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(sampled(drawn(8_000, 1000), 100_000), 0.7)


def test_more_memory_hits_more(plan: Plan) -> None:
    assert (plan.requests, plan.sampled) == (8_000, 1.0)
    for policy in ("expiry", "lru", "lfu", "optimum"):
        hits = [row.ratios[policy].hits for row in plan.rows]
        assert hits == sorted(hits)
    last = plan.rows[-1].ratios
    assert last["expiry"].hits == last["lru"].hits == pytest.approx(1 - plan.objects / 8_000)


def test_the_size_for_a_wish_has_it(plan: Plan) -> None:
    size = plan.wish.bytes
    assert size is not None
    again = make_plan(sampled(drawn(8_000, 1000), 100_000), 0.7, sizes=[size, size * 19 // 20])
    less, enough = again.rows
    assert enough.ratios["expiry"].hits >= 0.7 > less.ratios["expiry"].hits


def test_a_wish_that_cannot_be_had() -> None:
    wish = make_plan(sampled(drawn(5000, 3000), 100_000), 0.99).wish
    assert wish.bytes is None
    assert 0.3 < wish.best < 0.99


def test_a_sample_tells_what_the_whole_log_does() -> None:
    requests = drawn(30_000, 6_000)
    sizes = [8 * MIB, 64 * MIB]
    whole = make_plan(sampled(requests, 100_000), 0.5, sizes=sizes)
    part = make_plan(sampled(requests, 10_000), 0.5, sizes=sizes)
    assert part.sampled <= 0.5
    assert part.requests == 30_000
    assert part.objects == pytest.approx(whole.objects, rel=0.1)
    for one, other in zip(whole.rows, part.rows, strict=True):
        assert other.ratios["expiry"].hits == pytest.approx(one.ratios["expiry"].hits, abs=0.05)


def test_what_counts_of_a_log() -> None:
    def answer(method: str, status: int, size: int | None, time: float | None = 1.0) -> Delivery:
        return Delivery("b/a.jpg", None, method, status, size, time)

    sample = sample_of(
        [
            answer("GET", 200, 1000, 5.0),
            answer("GET", 206, 10, 4.0),
            answer("GET", 304, 0),
            answer("HEAD", 200, 1000),
            answer("GET", 404, 50),
            answer("GET", 200, None),
        ]
    )
    requests = sample.requests()
    assert (sample.asked, requests.sizes, requests.times) == (2, [1000], [4.0, 5.0])


def test_the_picture_of_a_plan(plan: Plan) -> None:
    drawing = chart(plan, lambda size: f"<{size:.0f}>")
    root = ET.fromstring(drawing.svg())
    lines = [each.attrib["points"] for each in root if each.tag.endswith("polyline")]
    texts = [each.text for each in root if each.tag.endswith("text")]
    assert {"this service", "offline optimum", "100 %", f"70%: <{plan.wish.bytes}>"} <= set(texts)
    points = [tuple(map(float, point.split(","))) for line in lines for point in line.split()]
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in points)

    picture = Image.open(io.BytesIO(draw_png(drawing)))
    assert picture.size == (2 * drawing.width, 2 * drawing.height)
    colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20) or ()}
    assert {(0x0B, 0x6E, 0x4F), (255, 255, 255)} <= colors
