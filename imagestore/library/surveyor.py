"""The surveyor: counts what is stored and asks how full the disks are, and notes both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from imagestore.library.capacity import Sample, Volume, count, growth, outlooks
from imagestore.library.survey import DisksPage, write
from imagestore.store.census import Census
from imagestore.store.diary import Diary
from imagestore.store.disks import Disks


class Surveyor:
    """All raise StoreUnavailable."""

    def __init__(self, census: Census, disks: Disks, diary: Diary) -> None:
        self._census = census
        self._disks = disks
        self._diary = diary

    def count(self, rest: Callable[[float], None] = lambda took: None) -> Volume:
        """`rest` is told after each query how long that took."""
        volume = count(self._census, rest)
        write(self._diary, "volume", volume)
        return volume

    def sample(self, volume: Volume | None) -> DisksPage:
        """Ask all members for their disks, and reckon with what they said in earlier hours."""
        now = datetime.now(UTC)
        sample = Sample(now, volume.stored if volume else None, self._disks.ask())
        self._diary.add_sample(_SAMPLE.dump_python(sample), now)
        samples = list(self._samples())
        page = DisksPage(now, outlooks(samples), growth(samples, lambda each: each.stored))
        write(self._diary, "disks", page)
        return page

    def _samples(self) -> list[Sample]:
        """In the order of time; those that another version wrote in another form are passed over."""
        found = []
        for each in self._diary.samples():
            try:
                found.append(_SAMPLE.validate_python(each))
            except ValidationError:
                continue
        return found


_SAMPLE = TypeAdapter(Sample)
