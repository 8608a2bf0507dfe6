"""How often something may happen: so many times within a second, a minute, an hour or a day."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}

_RATE = re.compile(r"([1-9][0-9]{0,8})/(second|minute|hour|day)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` times within one `unit`; a count of 0 is no limit. Its text is `600/minute`, or `off`."""

    count: int = 0
    unit: str = "second"

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Raises ValueError."""
        if text.lower() == "off":
            return cls()
        found = _RATE.fullmatch(text)
        if found is None:
            raise ValueError("wants a number and a unit, such as 600/minute (or second, hour, day), or off")
        return cls(int(found[1]), found[2])

    @property
    def seconds(self) -> int:
        return UNITS[self.unit]

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        return f"{self.count}/{self.unit}" if self else "off"
