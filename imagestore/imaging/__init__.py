"""The imaging wing: what a picture is, whether it may come in, and the processes that look at it."""

from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.limits import Limits

__all__ = ["DecoderPool", "Limits"]
