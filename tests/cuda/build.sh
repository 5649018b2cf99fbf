#!/bin/sh
# Builds the fake driver: tests/cuda/build.sh FOLDER [FLAG..] writes FOLDER/libcuda.so.1 and
# FOLDER/stub/libcuda.so.1. $CXX names the C++17 compiler, else it is c++.
#
# -ffp-contract=off: a fused multiply-add is one only where a kernel asks for it, as on the device.
# -fno-strict-aliasing: kernels load several numbers as one word.
# -U_FORTIFY_SOURCE: its longjmp takes a change of fibres for a damaged stack.
set -eu
from=$(dirname "$0")
to=$1
shift
mkdir -p "$to/stub"
# The same bits by one instruction instead of a call, where this processor has it.
fused=
! grep -qsw fma /proc/cpuinfo || fused=-mfma
${CXX:-c++} -std=c++17 -O2 -fPIC -shared -pthread -fvisibility=hidden -ffp-contract=off -fno-strict-aliasing \
    -U_FORTIFY_SOURCE $fused -Wall -Wextra -Wno-unknown-pragmas -Wl,-Bsymbolic -Wl,-soname,libcuda.so.1 "$@" -o "$to/libcuda.so.1" \
    "$from/kernels.cpp" "$from/shim.cpp" "$from/control.cpp" "$from/device.cpp" "$from/memory.cpp" \
    "$from/modules.cpp" "$from/streams.cpp" "$from/graphs.cpp"
${CXX:-c++} -O1 -fPIC -shared -o "$to/stub/libcuda.so.1" "$from/stub.cpp"
