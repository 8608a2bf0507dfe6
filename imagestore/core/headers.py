"""The header fields of every answer, be it the application's or one that the edge gives before it."""

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
"""What no view says otherwise: nothing of an answer runs, nobody guesses its type, nobody keeps it. The
`private` is for those who heed no other word, as Fastly does, and would keep what a credential was shown."""
