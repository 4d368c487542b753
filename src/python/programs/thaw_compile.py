"""
Compiles sources, so that nobody has to where they run. The request on standard input lists for each its file, the file to
write, and the name that tracebacks shall show. What does not compile is left to whoever imports it.

The same request gives the same bytes: the hash seed is set by the caller, work is parted by number alone, and each part
has a process of its own, because what was compiled before shows in what is written.
"""

import json
import os
import py_compile
import subprocess
import sys

PARTS = 4
# Below this, a second process costs more than it does.
FILES_MIN = 200


def compile_all(files):
    for file in files:
        try:
            py_compile.compile(
                file["source"],
                cfile=file["target"],
                dfile=file["name"],
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, UnicodeDecodeError, ValueError, RecursionError, MemoryError):
            pass


def main():
    files = json.load(sys.stdin)
    if len(files) < FILES_MIN or "part" in sys.argv:
        compile_all(files)
        return 0
    command = [sys.executable, "-S", "-s", os.path.abspath(__file__), "part"]
    started = []
    for part in range(PARTS):
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        process.stdin.write(json.dumps(files[part::PARTS]).encode())
        process.stdin.close()
        started.append(process)
    return max(process.wait() for process in started)


if __name__ == "__main__":
    sys.exit(main())
