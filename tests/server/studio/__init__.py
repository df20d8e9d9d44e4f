"""Tests of the page. A package, with which the browser and its event loop end."""
