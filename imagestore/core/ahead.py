"""How a request is looked at before its body is taken in: the names that server and application know.

A server that does so calls the application twice. The first time ASKED stands under AHEAD in the request's
environment, and reading the body raises BodyWanted: what is refused by then is refused for good, and nobody
sends the body for nothing. An application that gets as far as BodyWanted answers GO_ON, which nobody sees.
It is then called again, with ANSWERED there and the body at hand.
"""

AHEAD = "imagestore.ahead"
ASKED = "asked"
ANSWERED = "answered"

GO_ON = 100
"""The status of RFC 9110, section 15.2.1."""


MET = "imagestore.met"
"""Under it stands in the environment when the request's head had come, in seconds since the epoch: what holds
for a while held then, however long the body takes."""


class BodyWanted(Exception):
    """Everything about the request is well, up to its body."""


class Unread:
    """The stream of a body that has not been taken in."""

    def read(self, size: int = -1, /) -> bytes:
        """Raises BodyWanted."""
        del size
        raise BodyWanted
