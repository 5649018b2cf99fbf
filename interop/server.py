"""A running binary for the programs beside this file, and the word that ends them."""

import re
import subprocess
import sys


def ensure(holds, words):
    if not holds:
        sys.exit(f"FAILED: {words}")


class Server:
    """Serves the models in a folder on free ports. Leaving it, the binary has to end by itself and well."""

    def __init__(self, binary, home, *more):
        command = [binary, "serve", str(home), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            found = re.match(r"listening on http://([0-9.:]+), admin on http://([0-9.:]+)", line)
            if found:
                self.data, self.admin = found.groups()
                return
        sys.exit(f"FAILED: the server did not start: {''.join(seen)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        code = self.process.wait(40)
        ensure(code == 0, f"the server exited with {code}")
