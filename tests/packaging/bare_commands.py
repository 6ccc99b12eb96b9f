"""Run in an environment without extras: command lines, a JSON list of words each, for JSON of (exit code, stdout, stderr).

All in one process, which saves the second that each would take to start; what differs from `doldrum …` is `sys.argv`.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback


def run(words: list[str]) -> tuple[object, str, str]:
    from doldrum.cli import main

    out, err, code = io.StringIO(), io.StringIO(), None
    sys.argv = ["doldrum", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.format_exc()
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    print(json.dumps([run(words) for words in json.loads(sys.argv[1])]))
