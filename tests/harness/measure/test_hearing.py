import logging

from harness.measure.hearing import hear
from kernels.api import tell


def test_what_a_kernel_tells_is_heard_word_for_word():
    logger, heard = logging.getLogger("kernels"), []
    level, handlers = logger.level, list(logger.handlers)
    hear(heard.append)
    try:
        tell("data set: 50 % of 3 records into /a%20folder")
    finally:
        logger.setLevel(level)
        logger.handlers = handlers
    assert heard == ["data set: 50 % of 3 records into /a%20folder"]
