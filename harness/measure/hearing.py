"""Hearing what kernels tell while they prepare."""

from __future__ import annotations

import logging
from collections.abc import Callable


def hear(pass_on: Callable[[str], None]) -> None:
    """From here on ``pass_on`` is called with all that this process's kernels say by `kernels.api.tell`."""
    logger = logging.getLogger("kernels")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Listener(pass_on))


class _Listener(logging.Handler):
    def __init__(self, pass_on: Callable[[str], None]) -> None:
        super().__init__()
        self._pass_on = pass_on

    def emit(self, record: logging.LogRecord) -> None:
        self._pass_on(record.getMessage())
