"""Renditions on real servers: made once, kept where they belong, gone with their image, whatever breaks.

This file is longer than 300 lines because all of it takes the same house and the same broken decoders.
"""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from PIL import Image
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern
from redis import Redis

from imagestore.core.errors import (
    CorruptImage,
    DecodeTimeout,
    ImageLimitExceeded,
    InvalidTransformation,
    Overloaded,
    StoreUnavailable,
)
from imagestore.core.telemetry import Timings
from imagestore.core.transformation.parsing import parse
from imagestore.embedded import Server
from imagestore.imaging import decoder
from imagestore.library import proofs
from imagestore.library.plans import Plan
from imagestore.library.renditions import Made, Origin
from imagestore.store.renditions import Kept, Renditions
from tests import pictures
from tests.library.conftest import BUCKET, House
from tests.service import await_that
from tests.store.commands import Commands, failing

OpenHouse = Callable[..., House]

# A decoder whose renders do `{}` instead: everything around them is the real one.
FAULTY = """
import os, signal, sys, time
from imagestore.imaging import rendering, sandbox
from imagestore.imaging.pipeline import Rendered
def render(request):
    {}
    return Rendered(data=b"made", format=request.format, width=1, height=1)
rendering.render = render
sandbox.main(sys.argv[1])
"""
Break = Callable[[str], None]


@pytest.fixture
def break_with(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Decoders that start from now on are broken in this line."""

    def change(line: str) -> None:
        monkeypatch.setattr(decoder, "_PROGRAM", FAULTY.format(line))

    return change


def plan(house: House, text: str, key: str = "a") -> Plan:
    services = house.services
    expanded = services.plans.expand(BUCKET, parse(text)).transformation
    return services.plans.draw(house.find(key), expanded, "", Timings(), lambda _: None)


def make(house: House, wanted: Plan) -> Made:
    future, joined = house.services.renderer.begin(wanted)
    made = future.result(60)
    assert not joined
    return made


def kept(house: House) -> Renditions:
    return Renditions(house.services.mongo)


def collection(house: House, name: str) -> Collection[dict[str, Any]]:
    """As the primary has it now."""
    return house.services.mongo.collection(name).with_options(read_concern=ReadConcern("local"))


def kept_names(house: House) -> list[str]:
    found = collection(house, "renditions.files").find()
    return sorted(each["filename"] for each in found)


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.size


def test_it_is_made_then_found_in_redis_then_in_gridfs(house: House, redis_url: str) -> None:
    house.put("a", pictures.jpeg(2400, 1800))
    wanted = plan(house, "c_scale,w_600")
    assert house.services.renderer.read(wanted.name) is None
    first = make(house, wanted)
    assert (first.origin, size_of(first.data)) == (Origin.MAKE, (600, 450))
    assert house.services.renderer.read(wanted.name) == first.data
    kept(house).write(Kept(wanted.name, first.data, wanted.digests, 1.0))
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    again = make(house, wanted)
    assert (again.origin, again.data) == (Origin.KEPT, first.data)
    assert house.services.renderer.read(wanted.name) == first.data


def test_what_was_dear_goes_to_gridfs_by_itself(house: House, break_with: Break) -> None:
    break_with("sum(range(10_000_000))")
    house.put("a", pictures.jpeg())
    end_decoders(house)
    wanted = plan(house, "c_scale,w_60")
    make(house, wanted)
    await_that(lambda: kept_names(house) == [wanted.name])


def test_without_redis_all_is_kept_in_gridfs(house: House, open_house: OpenHouse) -> None:
    house.put("a", pictures.jpeg(64, 48))
    bare = open_house(redis_url="none")
    wanted = plan(bare, "c_scale,w_32")
    assert make(bare, wanted).origin is Origin.MAKE
    await_that(lambda: kept_names(bare) == [wanted.name])
    assert make(bare, wanted).origin is Origin.KEPT


def test_many_in_two_workers_are_one_render(house: House, open_house: OpenHouse, break_with: Break) -> None:
    break_with("time.sleep(1)")
    house.put("a", pictures.jpeg(64, 48))
    houses = [house, open_house()]
    before = sum(starts(each) for each in houses)

    def ask(number: int) -> tuple[bytes, bool]:
        at = houses[number % 2]
        future, joined = at.services.renderer.begin(plan(at, "c_scale,w_33"))
        return future.result(60).data, joined

    with ThreadPoolExecutor(40) as threads:
        answers = Counter(threads.map(ask, range(40)))
    assert sum(answers.values()) == 40
    assert {data for data, _ in answers} == {b"made"}
    assert sum(starts(each) for each in houses) == before + 1


def test_what_redis_does_not_take_is_made_once_all_the_same(
    house: House, open_house: OpenHouse, break_with: Break
) -> None:
    house.put("a", pictures.jpeg(64, 48))
    break_with("time.sleep(1)")
    houses = [open_house(cache_value_bytes=0) for _ in range(2)]
    barrier = threading.Barrier(2)

    def ask(at: House) -> bytes:
        wanted = plan(at, "c_scale,w_33")
        barrier.wait(60)
        return make(at, wanted).data

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(ask, houses)) == [b"made"] * 2
    assert sum(starts(each) for each in houses) == 1


def starts(house: House) -> int:
    """The renditions that this worker made."""
    lines = house.services.metrics.text().decode().splitlines()
    (line,) = [each for each in lines if each.startswith('imagestore_renditions_total{origin="make"}')]
    return int(float(line.rpartition(" ")[2]))


def test_the_dead_makers_place_is_taken(house: House, open_house: OpenHouse, break_with: Break) -> None:
    """The lease of one that died ends within seconds, however long a render may take."""
    house.put("a", pictures.jpeg(64, 48))
    wanted = plan(house, "c_scale,w_34")
    dead = open_house(render_timeout=600)
    lease = dead.services.tier.try_lease(wanted.name, 1.0)  # and nobody renews it
    assert lease.state == "held"
    assert make(house, wanted).origin is Origin.MAKE


def test_a_killed_decoder_is_replaced_and_the_render_done(house: House, break_with: Break) -> None:
    house.put("a", pictures.jpeg(64, 48))
    end_decoders(house)
    break_with("time.sleep(0.5)")
    wanted = plan(house, "c_scale,w_35")
    future, _ = house.services.renderer.begin(wanted)
    await_that(lambda: house.services.decoders.load()["busy"] == 1)
    time.sleep(0.2)
    for each in set(house.services.decoders._decoders):
        with suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)
    assert future.result(60).data


@pytest.mark.parametrize(
    ("line", "error"),
    [("os.abort()", CorruptImage), ("bytearray(2 * 1024 ** 3)", DecodeTimeout), ("1 / 0", CorruptImage)],
)
def test_a_picture_that_breaks_its_decoder_is_refused_and_remembered(
    house: House, break_with: Break, monkeypatch: pytest.MonkeyPatch, line: str, error: type[Exception]
) -> None:
    house.put("a", pictures.jpeg(64, 48))
    end_decoders(house)
    break_with(line)
    wanted = plan(house, "c_scale,w_36")
    with pytest.raises(error):
        make(house, wanted)
    monkeypatch.undo()
    end_decoders(house)
    with pytest.raises(error):
        make(house, wanted)
    assert size_of(make(house, plan(house, "c_scale,w_37")).data) == (37, 28)


def end_decoders(house: House) -> None:
    for each in set(house.services.decoders._decoders):
        each.kill()


def test_a_render_past_its_deadline(house: House, open_house: OpenHouse, break_with: Break) -> None:
    house.put("a", pictures.jpeg(64, 48))
    hasty = open_house(render_timeout=0.5)
    break_with("time.sleep(60)")
    with pytest.raises(DecodeTimeout, match=r"0\.5 seconds"):
        make(hasty, plan(hasty, "c_scale,w_38"))


def test_a_rendition_over_its_bound(house: House, open_house: OpenHouse) -> None:
    house.put("a", pictures.jpeg(640, 480, noise=True))
    small = open_house(rendition_bytes=20_000)
    assert len(make(small, plan(small, "c_scale,w_40")).data) < 20_000
    with pytest.raises(ImageLimitExceeded, match="another format"):
        make(small, plan(small, "c_scale,f_png,w_400"))


def test_what_cannot_be_is_remembered_by_all_workers(
    house: House, open_house: OpenHouse, commands: Commands
) -> None:
    house.put("a", pictures.jpeg(64, 48))
    other = open_house()
    wanted = plan(house, "c_crop,h_10,w_10,x_5000,y_5000")
    with pytest.raises(InvalidTransformation):
        make(house, wanted)
    before = starts(other)
    with pytest.raises(InvalidTransformation):
        make(other, plan(other, wanted.text))
    assert starts(other) == before
    assert other.services.decoders.load()["busy"] == 0


def test_a_full_queue_refuses_and_hits_go_on(
    house: House, open_house: OpenHouse, break_with: Break, tmp_path: Path
) -> None:
    house.put("a", pictures.jpeg(64, 48))
    narrow = open_house(render_queue=2, decoders=1)
    known = plan(narrow, "c_scale,w_20")
    make(narrow, known)
    end_decoders(narrow)
    gate = tmp_path / "gate"
    break_with(f"[time.sleep(0.01) for _ in iter(lambda: os.path.exists({str(gate)!r}), True)]")
    wanted = [plan(narrow, f"c_scale,w_{width}") for width in range(21, 25)]
    begun = [narrow.services.renderer.begin(each)[0] for each in wanted[:3]]
    with pytest.raises(Overloaded):
        narrow.services.renderer.begin(wanted[3])
    assert narrow.services.renderer.read(known.name) is not None
    assert narrow.get("a") == pictures.jpeg(64, 48)
    assert narrow.services.renderer.begin(wanted[0])[1] is True
    gate.touch()
    assert [each.result(60).data for each in begun] == [b"made"] * 3


def test_an_upload_goes_before_renders_that_wait(
    house: House, open_house: OpenHouse, break_with: Break, tmp_path: Path
) -> None:
    house.put("a", pictures.jpeg(64, 48))
    house = open_house(decoders=1)
    gates = tmp_path / "first", tmp_path / "others"
    name = f"{str(tmp_path)!r} + ('/first' if 'w_21' in request.transformation else '/others')"
    break_with(f"[time.sleep(0.01) for _ in iter(lambda: os.path.exists({name}), True)]")
    wanted = [plan(house, f"c_scale,w_{width}") for width in range(21, 25)]
    begun = [house.services.renderer.begin(wanted[0])[0]]
    await_that(lambda: house.services.decoders.load()["busy"] == 1)
    begun += [house.services.renderer.begin(each)[0] for each in wanted[1:]]
    await_that(lambda: house.services.decoders.load()["renders_waiting"] == 3)
    with ThreadPoolExecutor(1) as thread:
        upload = thread.submit(house.services.decoders.verify, pictures.png(30, 30, seed=5))
        await_that(lambda: house.services.decoders.load()["waiting"] == 1)
        gates[0].touch()
        assert upload.result(60).width == 30
    assert [each.done() for each in begun[1:]] == [False] * 3
    gates[1].touch()
    assert [each.result(60).data for each in begun] == [b"made"] * 4


# Stores that are away


def test_with_redis_stopped_it_is_made_all_the_same(house: House, open_house: OpenHouse) -> None:
    house.put("a", pictures.jpeg(64, 48))
    cut_off = open_house(redis_url="redis://127.0.0.1:1/0")
    wanted = plan(cut_off, "c_scale,w_41")
    assert cut_off.services.renderer.read(wanted.name) is None
    assert size_of(make(cut_off, wanted).data) == (41, 31)


def test_with_mongodb_away_redis_still_has_it(mongo: Server, house: House) -> None:
    house.put("a", pictures.jpeg(64, 48))
    wanted = plan(house, "c_scale,w_42")
    first = make(house, wanted)
    with failing(mongo, ["find", "aggregate"], errorCode=2):
        again = plan(house, "c_scale,w_42")
        assert again.name == wanted.name
        assert house.services.renderer.read(again.name) == first.data


def test_with_mongodb_away_an_original_that_is_not_at_hand_is_not_guessed(
    mongo: Server, house: House
) -> None:
    house.put("a", pictures.jpeg(64, 48))
    wanted = plan(house, "c_scale,w_43")
    house.services.tier.forget_all()
    with failing(mongo, ["find", "aggregate"], errorCode=2), pytest.raises(StoreUnavailable):
        make(house, wanted)


# GridFS


def test_renditions_go_with_their_image_and_its_layers(house: House) -> None:
    house.put("a", pictures.jpeg(64, 48))
    house.put("logo", pictures.png(10, 10))
    plain, layered = plan(house, "c_scale,w_20"), plan(house, "l_logo/fl_layer_apply")
    store = kept(house)
    for each in (plain, layered):
        store.write(Kept(each.name, b"bytes", each.digests, 1.0))
    assert store.find([plain.name, layered.name]) == {plain.name, layered.name}
    house.delete("logo")
    assert kept_names(house) == [plain.name]
    house.delete("a")
    assert kept_names(house) == []
    assert collection(house, "renditions.chunks").count_documents({}) == 0


def test_a_damaged_rendition_is_dropped_and_not_served(house: House) -> None:
    store = kept(house)
    store.write(Kept("name", b"x" * 600_000, (), 1.0))
    assert store.read("name") == b"x" * 600_000
    chunks = collection(house, "renditions.chunks")
    chunks.update_one({"n": 1}, {"$set": {"data": b"y" * 261_120}})
    assert store.read("name") is None
    assert store.read("name") is None
    assert chunks.count_documents({}) == 0


def test_twenty_that_keep_one_rendition_leave_one(house: House) -> None:
    store = kept(house)
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: store.write(Kept("name", b"bytes", (), 1.0)), range(20)))
    assert kept_names(house) == ["name"]
    assert collection(house, "renditions.chunks").count_documents({}) == 1


def test_the_sweep_keeps_the_bound_and_drops_the_longest_unused(house: House) -> None:
    digest = house.put("a", pictures.jpeg(64, 48)).version.digest
    store = kept(house)
    for number in range(6):
        store.write(Kept(f"{number}", bytes(1000), (digest,), 1.0))
        time.sleep(0.002)
    assert list(store.sweep(10**9))
    assert len(kept_names(house)) == 6
    list(store.sweep(2500))
    assert kept_names(house) == ["4", "5"]
    list(store.sweep(0))
    assert store.volume() == (0, 0)


def test_the_sweep_drops_what_has_no_image_and_chunks_of_no_file(house: House) -> None:
    store = kept(house)
    store.write(Kept("orphan", b"bytes", ("0" * 64,), 1.0))  # type: ignore[arg-type]
    chunks = collection(house, "renditions.chunks")
    chunks.insert_one({"files_id": ObjectId("5" * 24), "n": 0, "data": b""})
    list(store.sweep(10**9))
    assert kept_names(house) == []
    assert chunks.count_documents({}) == 0


# Proofs


def test_smaller_sizes_come_from_reduced_copies(house: House, open_house: OpenHouse) -> None:
    original = pictures.jpeg(2600, 1950)
    digest = house.put("a", original).version.digest
    worker = open_house(proof_pixels=1_000_000)
    make(worker, plan(worker, "c_scale,w_300"))
    wanted = [f"{digest}/-proof:{side}/jpeg/1" for side in (1024, 2048, 512)]
    await_that(lambda: set(wanted) <= set(kept_names(worker)))
    sides = {name: max(size_of(kept(worker).read(name) or b"")) for name in wanted}
    assert sorted(sides.values()) == sorted(proofs.SIDES)
    lent = worker.services.renderer._proofs
    for text, side in (("c_scale,w_200", 512), ("c_scale,w_400", 1024), ("c_scale,w_800", 2048)):
        with lent.lend(plan(worker, text), None) as material:
            assert max(size_of(material.path.read_bytes())) == side
            assert (material.width, material.height) == (2600, 1950)
    for text in ("c_scale,w_2000", "c_crop,h_100,w_100", "fl_keep_iptc,c_scale,w_300"):
        with lent.lend(plan(worker, text), None) as material:
            assert material.path.read_bytes() == original
    assert size_of(make(worker, plan(worker, "c_fill,h_200,w_301")).data) == (301, 200)


def test_small_ones_and_animations_have_no_copies(house: House, open_house: OpenHouse) -> None:
    house.put("small", pictures.jpeg(900, 900))
    house.put("moving", pictures.gif(900, 900, frames=3))
    worker = open_house(proof_pixels=1_000_000)
    for key in ("small", "moving"):
        make(worker, plan(worker, "c_scale,w_30", key))
    assert not worker.services.renderer._proofs._waiting
    assert not any("-proof" in name for name in kept_names(worker))
