#!/usr/bin/env bash
# Everything that is said about GPUs, shown on a machine that has one:
#
#   benches/gpu.sh                     checks, then the tables for docs/gpu.md, as markdown on standard output
#   benches/gpu.sh --quick             fewer models, sizes and rounds
#   benches/gpu.sh --only check        or: sanitize, bench, serve; each is done within --seconds (480)
#   benches/gpu.sh --only bench --models rf1000          one model of those in benches/gpu/models.py
#   benches/gpu.sh --only sanitize --tools racecheck     one tool of compute-sanitizer
#   benches/gpu.sh --tidegate PROGRAM --bench PROGRAM    built elsewhere: no Rust is needed here
#   benches/gpu.sh --quick --device cpu                  tries the script itself where there is no GPU
#
# How far it is goes to standard error. The exit status is 1 if anything failed; the rest has run all the same.
#
# It needs a CUDA driver, Python 3.11 or later, and Rust unless the programs are given: `serve` needs the server,
# the other parts the benchmark. A PROGRAM may be packed with xz, or be a folder with `tidegate` and `gpu`, packed
# or not; target/gpu/bin is where they are unpacked. Built elsewhere, they are made so, 7 and 10 MB instead of 220:
#
#   cargo build --release; cargo bench --bench gpu --no-run        # the second says where gpu-HASH is
#   mkdir -p FOLDER
#   strip -o FOLDER/tidegate target/release/tidegate; strip -o FOLDER/gpu target/release/deps/gpu-HASH
#   xz -T0 FOLDER/tidegate FOLDER/gpu
#
# What is missing of benches/gpu/requirements.txt is installed: into target/gpu/site beside the packages of python3
# where that one has PyTorch, else into an environment of its own. Systems that cannot be had are named and left
# out, soon: nothing is tried twice. Where nothing can be fetched, wheels can be brought along:
#
#   PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER benches/gpu.sh ...
#
# Beside PyTorch, CuPy, ONNX Runtime and scikit-learn that is nvForest, the lines marked `alone`: 35 MB of wheels,
# 26 of them libnvforest. They are fetched for Python 3.12 by
#
#   pip download --no-deps --only-binary=:all: --python-version 3.12 -d FOLDER \
#     $(printf -- '--platform manylinux_%s_x86_64 ' 2_28 2_27 2_24 2_17) --platform manylinux2014_x86_64 \
#     $(sed -n 's/ *# alone$//p' benches/gpu/requirements.txt)
#
# The binary of --bench is `cargo bench --bench gpu`. It answers lines on standard input with one line each,
# `ok WORDS` or `failed WORDS`:
#
#   load DIR DEVICE     prepares DIR/model.onnx for `cpu` (all cores) or `cuda`, holds it against DIR/golden.json,
#                       and says where it is and what was measured when it was placed
#   answers FILE        the first output of type FP32 for all golden rows, as raw floats
#   run ROWS MILLIS     nanoseconds of a call, host to host: median over batches that rotate through the golden rows
#   device ROWS         nanoseconds of a batch by the device's clock, copies included, and the rows of the launches
#                       that were timed: the next size that is recorded; 0 on the CPU
#   conformance         the suite that every engine has to pass, with the model that is loaded
#   forests SEED COUNT  random forests with NaN, infinities and values equal to thresholds: leaves, sums and
#                       answers on the device against the CPU's
#   small               every kernel on small shapes, once: what the sanitizers run
set -euo pipefail
cd "$(dirname "$0")/.."

PLACE=$PWD/target/gpu
mkdir -p "$PLACE"
python=python3
into=(--target "$PLACE/site")
if ! "$python" -c 'import torch' 2>/dev/null; then
  python=$PLACE/venv/bin/python
  into=()
  [[ -x $python ]] || python3 -m venv "$PLACE/venv"
fi

# is_there NAME: a package, of any version. What the machine's owner chose stays.
is_there() {
  "$python" -c 'import importlib.metadata, site, sys
site.addsitedir(sys.argv[1])
importlib.metadata.version(sys.argv[2])' "$PLACE/site" "$1" 2>/dev/null
}

# install ARGUMENTS: where there is no network, it fails at once.
install() {
  "$python" -m pip install -q --disable-pip-version-check --root-user-action ignore --retries 0 --timeout 5 \
    "${into[@]}" "$@" >&2
}

alone=()
while read -r pin note; do
  [[ -n $pin && $pin != \#* ]] || continue
  is_there "${pin%%==*}" && continue
  [[ $pin == nvidia-cuda-sanitizer-api* ]] && command -v compute-sanitizer >/dev/null && continue
  if [[ $note == '# alone' ]]; then
    alone+=("$pin")
  else
    install "$pin" </dev/null || echo "without $pin" >&2
  fi
done <benches/gpu/requirements.txt
if ((${#alone[@]})); then
  install --no-deps "${alone[@]}" || echo "without ${alone[*]}" >&2
fi
exec "$python" benches/gpu/run.py "$@"
