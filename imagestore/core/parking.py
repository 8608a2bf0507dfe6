"""How an application that waits for something leaves its thread meanwhile: the names that both sides know.

A server that can do so puts a function under PARK into a request's environment. `park(future, note)` says
that what the application answers now is meant for nobody; once the future is done the application is called
again for the same request, with the note under RESUMED.
"""

PARK = "imagestore.park"
RESUMED = "imagestore.resumed"
