#!/usr/bin/env bash
# Fuzzes one target for so many seconds: fuzz/run.sh onnx 60. Without arguments it lists the targets.
#
# Needs a Rust toolchain and a C++ compiler, no nightly and no cargo-fuzz: the compiler's own pass
# notes what code ran, and libFuzzer comes with the crate libfuzzer-sys. What was learnt stays in
# fuzz/corpus/TARGET, the input that broke something in fuzz/artifacts/TARGET; one such file as the
# third argument is run alone. An input may take 2 seconds of the clock: where others keep the
# machine busy, TIMEOUT=10 spares false alarms.
set -euo pipefail
FILE=${3:+$(realpath "$3")}
cd "$(dirname "$0")"

declare -A SEEDS=(
  [onnx]="../models/*/*/model.onnx"
  [onnx-operators]=""
  [onnx-trees]=""
  [xgboost-json]="../tests/data/native/xgb-*.json"
  [xgboost-ubjson]="../tests/data/native/xgb-*.ubj"
  [lightgbm]="../tests/data/native/lgb-*.txt"
  [golden]="../models/*/*/golden.json"
  [panes]="seeds/panes/*"
  [tensor]="seeds/tensor/*"
  [protocol-json]="seeds/protocol-json/*"
  [protocol-binary]="seeds/protocol-binary/*"
  [protocol-grpc]="seeds/protocol-grpc/*"
  [protocol-first]="seeds/protocol-first/*"
)
TARGET=${1:-}
SECONDS_TO_RUN=${2:-60}
if [[ -z $TARGET || -z ${SEEDS[$TARGET]+there} ]]; then
  printf 'usage: fuzz/run.sh TARGET [SECONDS [FILE]]; targets: %s\n' "$(printf '%s\n' "${!SEEDS[@]}" | sort | xargs)" >&2
  exit 64
fi

# Coverage of edges and of comparisons, as cargo-fuzz asks for it; with --target, build scripts are
# left alone.
HOST=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --release --target "$HOST" --bin "$TARGET"
BINARY=target/$HOST/release/$TARGET

mkdir -p "corpus/$TARGET" "artifacts/$TARGET" "target/seeds/$TARGET"
for seed in ${SEEDS[$TARGET]}; do
  [[ $seed == *.golden.json && $TARGET != golden ]] && continue
  ln -sf "$PWD/$seed" "target/seeds/$TARGET/$(tr / _ <<<"${seed#../}")"
done

# As deep as the threads that load models.
ulimit -s 2048
LIMITS=("-timeout=${TIMEOUT:-2}" -report_slow_units=2 -rss_limit_mb=512 "-artifact_prefix=artifacts/$TARGET/")
if [[ -n $FILE ]]; then
  exec "$BINARY" "${LIMITS[@]}" "$FILE"
fi
DICT=()
[[ -f dictionaries/$TARGET.dict ]] && DICT=("-dict=dictionaries/$TARGET.dict")
# What is made up from noise needs enough of it from the start.
[[ -z ${SEEDS[$TARGET]} ]] && LIMITS+=(-len_control=0 -max_len=2048)
exec "$BINARY" "${LIMITS[@]}" "${DICT[@]}" "-max_total_time=$SECONDS_TO_RUN" -use_value_profile=1 \
  -print_final_stats=1 "corpus/$TARGET" "target/seeds/$TARGET"
