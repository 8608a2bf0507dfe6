"""Floor 8: the ASGI front of the service. It keeps clients' pace away from the threads that Flask runs in."""
