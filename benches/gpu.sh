#!/usr/bin/env bash
# Everything that is said about GPUs, shown on a machine that has one, in about ten minutes:
#
#   benches/gpu.sh                     checks, then the tables for docs/, on standard output
#   benches/gpu.sh --quick             fewer models, sizes and rounds
#   benches/gpu.sh --only check        or: sanitize, bench, serve
#   benches/gpu.sh --tidegate BINARY --bench BINARY      built elsewhere: no Rust is needed here
#
# It needs a CUDA driver, Python 3.11 or later, and Rust unless both binaries are given. What is missing of
# benches/gpu/requirements.txt is installed into target/gpu: beside the packages of python3 where that one has
# PyTorch, else into an environment of its own. Where nothing can be fetched, wheels can be brought along
# (PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER); systems that are not there are named and left out.
#
# The binary of --bench is `cargo bench --bench gpu`. It answers lines on standard input with one line each,
# `ok WORDS` or `failed WORDS`:
#
#   load DIR DEVICE     prepares DIR/model.onnx for `cpu` (all cores) or `cuda`, holds it against DIR/golden.json,
#                       and says where it is and what was measured when it was placed
#   answers FILE        the first output of type FP32 for all golden rows, as raw floats
#   run ROWS MILLIS     nanoseconds of a call, host to host: median over batches that rotate through the golden rows
#   device ROWS         nanoseconds of a batch by the device's clock, copies included; 0 on the CPU
#   conformance         the suite that every engine has to pass, on the device
#   forests SEED COUNT  random forests with NaN, infinities and values equal to thresholds: leaves, sums and
#                       answers on the device against the CPU's
#   small               every kernel on small shapes, once: what the sanitizers run
set -euo pipefail
cd "$(dirname "$0")/.."

PLACE=$PWD/target/gpu
mkdir -p "$PLACE"
python=python3
if ! "$python" -c 'import torch' 2>/dev/null; then
  python=$PLACE/venv/bin/python
  [[ -x $python ]] || python3 -m venv "$PLACE/venv"
fi

# is_there NAME: a package, of any version. What the machine's owner chose stays.
is_there() {
  "$python" -c 'import importlib.metadata, site, sys
site.addsitedir(sys.argv[1])
importlib.metadata.version(sys.argv[2])' "$PLACE/site" "$1" 2>/dev/null
}

while read -r pin; do
  [[ -n $pin && $pin != \#* ]] || continue
  is_there "${pin%%==*}" && continue
  "$python" -m pip install -q --disable-pip-version-check --target "$PLACE/site" "$pin" >&2 || echo "without $pin" >&2
done <benches/gpu/requirements.txt
exec "$python" benches/gpu/run.py "$@"
