"""What the service counts of itself, as a scraper reads it."""

from __future__ import annotations

import urllib.request

from tests.service import Service


class Metrics:
    """The sums over all workers, as of when it was made; `a - b` style differences by `since`."""

    def __init__(self, service: Service) -> None:
        with urllib.request.urlopen(f"{service.url}/metrics") as answer:
            self._lines = answer.read().decode().splitlines()

    def total(self, name: str, *labels: str) -> float:
        """The sum of all samples of a metric that have these labels, such as `event="hits"`."""
        return sum(
            float(line.rpartition(" ")[2])
            for line in self._lines
            if line.startswith((f"{name} ", f"{name}{{")) and all(label in line for label in labels)
        )

    def since(self, before: Metrics, name: str, *labels: str) -> int:
        """By how much it has grown."""
        return round(self.total(name, *labels) - before.total(name, *labels))
