"""How long the hospital takes to boot from the cached image, and how long to be gone."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.measure import BIN, Series, run, say

NAME = "bench-boot"
REPEATS = 3
AIM_S = 15.0


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Boot and take down a lab of its own several times; the smallest database, so that it is the boot that is measured."""
    environment = {"LAB_NAME": NAME}
    lab = str(BIN / "lab")
    run([lab, "up", "--flat", "--scale", "small"], environment, 1800)  # the image and the seeded cluster are made once, and cached
    run([lab, "down"], environment)
    up, down = Series("lab up"), Series("lab down")
    try:
        for number in range(repeats):
            took, _ = run([lab, "up", "--flat", "--scale", "small"], environment)
            up.seconds.append(round(took, 3))
            took, _ = run([lab, "down"], environment)
            down.seconds.append(round(took, 3))
            say(f"    {number + 1}/{repeats}  up {up.seconds[-1]:.1f} s, down {down.seconds[-1]:.1f} s")
            time.sleep(0.5)
    finally:
        run([lab, "down"], environment)
    return {
        "title": "Lab: boot of the whole hospital",
        "series": {"lab up": up.as_dict(), "lab down": down.as_dict()},
        "ratios": {"lab up / aim": round(up.median / AIM_S, 3)},
        "aims": {"lab up / aim": 1.0},
    }
