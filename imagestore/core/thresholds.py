"""Two thresholds of one measure, `80,90`: the first is worth a warning, the second is critical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the critical one is the lower, less is worse. Neither is set where nobody wants to be warned."""

    warning: float | None = None
    critical: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `WARNING,CRITICAL` or `off`. Raises ValueError."""
        if text.lower() == "off":
            return cls()
        try:
            warning, critical = map(float, text.split(","))
        except ValueError:
            raise ValueError("wants two numbers such as 80,90, or off") from None
        if not (0 <= warning < float("inf") and 0 <= critical < float("inf")) or warning == critical:
            raise ValueError("wants two different numbers, such as 80,90, or off")
        return cls(warning, critical)

    def __str__(self) -> str:
        return "off" if self.warning is None else f"{self.warning:g},{self.critical:g}"
