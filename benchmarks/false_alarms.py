"""How often findings alarm of competitions without any fault.

    python benchmarks/false_alarms.py [--competitions 200]

Each has training and test rows of one distribution (numbers, levels, texts, missing values) and a model of some skill,
of classes or of a number. All findings by chance are asked together, at the rate that they state together.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "diagnosis")]

from simulated import alarms  # noqa: E402

from pipeline.diagnosis.base import RATE  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--competitions", type=int, default=200)
    competitions = parser.parse_args().competitions
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        told = alarms(Path(folder), range(competitions))
        os.chdir(ROOT)
    share = sum(bool(codes) for codes, _ in told) / competitions
    print(f"{share:.1%} of {competitions} competitions alarm; stated: {RATE:.0%}")
    for code, times in sorted(Counter(code for codes, _ in told for code in codes).items()):
        print(f"  {code} {times / competitions:.1%}")


if __name__ == "__main__":
    main()
