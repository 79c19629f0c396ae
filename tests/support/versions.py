"""Which of the two current Quart lines is under test."""

from importlib.metadata import version

QUART_0_23 = version("quart").split(".")[:2] == ["0", "23"]
