"""A connection of the S3 listener: the application beside the first one, and refusals as AWS has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagestore.edge.protocol import EdgeProtocol
from imagestore.edge.refusals import XML

if TYPE_CHECKING:
    from imagestore.edge.worker import EdgeWorker


class S3Protocol(EdgeProtocol):
    """Nothing is answered from memory here: S3's clients read what was written last, whoever wrote it."""

    refusals = XML

    def __init__(self, worker: EdgeWorker) -> None:
        super().__init__(worker)
        self.app = worker.beside
