"""What the two precisions are called and take; torch's dtypes are in `engine.statevector.DTYPES`."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Precision(NamedTuple):
    """Bytes of a complex amplitude, and the name of the reals it is made of."""

    amplitude_bytes: int
    real: Literal["float32", "float64"]


PRECISIONS = {"single": Precision(8, "float32"), "double": Precision(16, "float64")}
