# The chores, by name. `just` lists them; .ci/run holds the steps that must pass.

_default:
    @just --list

# All tests
test *ARGS:
    cargo test {{ARGS}}

# Format the sources
fmt:
    cargo fmt

# No warnings
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Models of what threads share without a lock, or by one: every order is tried
loom:
    .ci/run loom

# Throw damaged files at one reader for so many seconds; needs a C++ compiler. Without a target it lists them
fuzz *ARGS:
    fuzz/run.sh {{ARGS}}

# Build the documentation; a broken link is an error
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

# Everything that must hold before a change goes in, or the steps named
ci *STEPS:
    .ci/run {{STEPS}}

# Serve ./models
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# The benchmarks
bench *ARGS:
    cargo bench {{ARGS}}

# Instructions per row beside the recorded ones; needs valgrind
instructions *ARGS:
    python3 benches/instructions.py {{ARGS}}

# All checks and tables of a machine with a GPU (benches/gpu.sh says how); downloads PyTorch and others
gpu *ARGS:
    benches/gpu.sh {{ARGS}}

# The engine beside ONNX Runtime; downloads the training libraries
zoo *ARGS:
    python3 benches/zoo/run.py {{ARGS}}

# The load test beside a bare server; needs wrk and oha (loadtest/README.md)
load *ARGS:
    cargo build --release
    cargo build --release -p bare-hyper
    python3 loadtest/run.py {{ARGS}}

# The CUDA kernels on the host, beside plain code and without each of their barriers; needs a C++ compiler
cuda-check *ARGS:
    python3 tests/cuda/check.py {{ARGS}}

# The CUDA kernels compiled for every architecture, or with --check only compared; needs no GPU
cuda-images *ARGS:
    python3 interop/cuda_images.py {{ARGS}}

# A few seconds under load; needs wrk
smoke:
    cargo build --release
    python3 loadtest/run.py --smoke

# Train the example models again, or with --check only check them; downloads the training libraries
models *ARGS:
    python3 -m venv target/models-venv
    target/models-venv/bin/pip install -q -r models/requirements.txt
    target/models-venv/bin/python models/train.py {{ARGS}}
