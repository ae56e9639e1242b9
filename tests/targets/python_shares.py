"""Plain Python work: what the interpreter's own C functions show."""
import json
import os
import sys
import time


def hot_py(x):
    for _ in range(200):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return x


def main():
    seconds = min(float(sys.argv[1]) if len(sys.argv) > 1 else 60, 300)
    end = time.monotonic() + seconds
    print(json.dumps({"pid": os.getpid(), "contains": ["_PyEval_EvalFrameDefault"]}), flush=True)
    x = 1
    while time.monotonic() < end:
        x = hot_py(x)


main()
