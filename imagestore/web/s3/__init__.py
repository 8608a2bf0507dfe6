"""The S3 door: Amazon's API for objects, on a listener of its own.

door.py           every request's way in and every error's way out
call.py           a request, parsed: what it names and what it says
identity.py       who signed it
payload.py        its body, in the forms in which clients send one
operations.py     which handler answers which request
errors.py, xml.py the forms of answers
Then a file for each kind of thing: buckets, objects, puts, copies, lists, multipart, deletions, attributes, …
"""
