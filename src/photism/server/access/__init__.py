"""Who may send a request, and from where: ASGI middleware in front of every endpoint and of the page."""
