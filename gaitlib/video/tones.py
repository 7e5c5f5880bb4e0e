"""From the tones of HDR video to those of a usual screen, as 256-entry tables.

Curves of SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG, shown at 1000 cd/m2) turn code values into light;
ITU-R BT.2408 puts white paper at 203 cd/m2. Lights above it are compressed (Reinhard et al., Photographic
tone reproduction for digital images, 2002, eq. 4), and BT.1886 turns the rest into code values again.
"""

import numpy as np

_WHITE_CD, _PEAK_CD = 203.0, 1000.0
_SCREEN_GAMMA = 2.4
_NAMES = {16: "PQ", 18: "HLG"}  # FFmpeg's numbers of the transfer curves


def hdr_name(transfer: int) -> str:
    """Return the name of an HDR curve by FFmpeg's number, empty for usual ones."""
    return _NAMES.get(transfer, "")


def _pq_light(codes: np.ndarray) -> np.ndarray:
    m1, m2 = 2610 / 16384, 2523 / 32
    c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
    power = codes ** (1 / m2)
    return 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _hlg_light(codes: np.ndarray) -> np.ndarray:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
    return _PEAK_CD * scene**1.2


def _to_screen(light: np.ndarray) -> np.ndarray:
    relative, most = light / _WHITE_CD, _PEAK_CD / _WHITE_CD
    mapped = np.minimum(relative * (1 + relative / most**2) / (1 + relative), 1)
    return np.rint(255 * mapped ** (1 / _SCREEN_GAMMA)).astype(np.uint8)


_CODES = np.arange(256) / 255
# By FFmpeg's number of the transfer curve; for pictures that cover 0..255.
TONE_TABLES = {16: _to_screen(_pq_light(_CODES)), 18: _to_screen(_hlg_light(_CODES))}
