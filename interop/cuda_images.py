#!/usr/bin/env python3
"""The CUDA kernels as images for every architecture, by NVIDIA's compiler library; no GPU and no toolkit is needed.

    python3 interop/cuda_images.py            compile src/engine/cuda/kernels into src/engine/cuda/images
    python3 interop/cuda_images.py --check    compile, and compare: exits with 1 unless the images are byte for
                                              byte what the sources give

Either way no kernel may spill a register or have local memory on any architecture, and each has a limit of
registers, so that a multiprocessor holds as many blocks of 256 threads as it was written for. manifest.json,
beside the images, has what was found, and the digest of every source.

The compiler is NVRTC of CUDA 12.9: its images run on every driver from CUDA 12.0 on. It comes from
interop/cuda.txt; where it is missing a virtual environment is made in target/interop. Needs Python 3.11
or later.
"""

import argparse
import ctypes
import hashlib
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "interop"
KERNELS = ROOT / "src/engine/cuda/kernels"
IMAGES = ROOT / "src/engine/cuda/images"
PACKAGE = "nvidia-cuda-nvrtc-cu12"

try:
    from nvidia import cuda_nvrtc
except ImportError:
    # A second start in the environment that has it.
    python = WORK / "cuda" / "bin" / "python"
    if Path(sys.executable) == python:
        raise
    subprocess.run([sys.executable, "-m", "venv", WORK / "cuda"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", ROOT / "interop/cuda.txt"], check=True)
    os.execv(python, [python, *sys.argv])

# The last one is text, which drivers compile for devices that are newer than all images.
TARGETS = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120", "compute_75"]
# No fused multiply-add but where one is asked for.
FLAGS = ["--std=c++17", "--fmad=false"]
# 65,536 registers of a multiprocessor are 256 threads with 40 registers six times, with 80 three times, with 96
# or 128 twice.
MOST_REGISTERS = {
    "assemble": 40,
    "walk": 40,
    "walk_resident": 48,  # its nodes in shared memory leave room for no more than five blocks
    "walk_wide": 40,
    "finish": 80,
    "network": 128,
    "dense": 96,
    "dense_tf32": 96,
    "dense_bf16": 96,
    "softmax_rows": 40,
}
# They need matrix units that know these types: compute capability 8.0.
MATRIX_KERNELS = {"dense_tf32", "dense_bf16"}
WITHOUT_MATRIX_UNITS = {"sm_75", "compute_75"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    compiler = Compiler()
    files, images = {}, {}
    for target in TARGETS:
        image, log = compiler.compile(target)
        name = f"{target}.ptx" if target.startswith("compute") else f"{target}.cubin"
        files[name] = image
        images[name] = {"bytes": len(image), "sha256": digest(image), "kernels": judge(target, image, log)}
    manifest = {
        "compiler": f"{PACKAGE} {metadata.version(PACKAGE)}",
        "flags": FLAGS,
        "sources": {source.name: digest(source.read_bytes()) for source in sources()},
        "images": images,
    }
    files["manifest.json"] = (json.dumps(manifest, indent=1) + "\n").encode()
    print_table(images)
    if arguments.check:
        compare(files)
    else:
        IMAGES.mkdir(exist_ok=True)
        for name, content in files.items():
            (IMAGES / name).write_bytes(content)
    total = sum(map(len, files.values()))
    print(f"{len(TARGETS)} images, {total:,} bytes: {'as the sources say' if arguments.check else 'written'}")


def sources():
    return sorted([*KERNELS.glob("*.cuh"), *KERNELS.glob("*.cu")])


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Compiler:
    """NVRTC, by its C interface."""

    def __init__(self):
        folder = Path(next(iter(cuda_nvrtc.__path__))) / "lib"
        self.library = ctypes.CDLL(str(folder / "libnvrtc.so.12"))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, function, *arguments):
        code = getattr(self.library, function)(*arguments)
        if code != 0:
            raise RuntimeError(f"{function}: {self.library.nvrtcGetErrorString(code).decode()}")

    def text(self, program, what):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def compile(self, target):
        """The image, and what the assembler says about it."""
        unit, headers = KERNELS / "kernels.cu", sorted(KERNELS.glob("*.cuh"))
        program = ctypes.c_void_p()
        texts = c_strings([header.read_bytes() for header in headers])
        names = c_strings([header.name.encode() for header in headers])
        self.call("nvrtcCreateProgram", ctypes.byref(program), unit.read_bytes(), unit.name.encode(), len(headers), texts, names)
        flags = [f"--gpu-architecture={target}", "--ptxas-options=-v", *FLAGS]
        code = self.library.nvrtcCompileProgram(program, len(flags), c_strings([flag.encode() for flag in flags]))
        log = self.text(program, "ProgramLog").rstrip(b"\0").decode()
        if code != 0:
            sys.exit(f"{target}: the kernels do not compile:\n{log}")
        # Text ends with a zero byte, which its reader adds again.
        image = self.text(program, "PTX").rstrip(b"\0") if target.startswith("compute") else self.text(program, "CUBIN")
        self.call("nvrtcDestroyProgram", ctypes.byref(program))
        return image, log


def c_strings(texts):
    return (ctypes.c_char_p * len(texts))(*texts)


def judge(target, image, log):
    """Registers and shared memory of each kernel; ends the script where one is not as it must be."""
    declared = set(re.findall(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(', "".join(source.read_text() for source in sources())))
    if declared != set(MOST_REGISTERS):
        sys.exit(f"the sources have the kernels {sorted(declared)}, expected {sorted(MOST_REGISTERS)}")
    declared -= MATRIX_KERNELS if target in WITHOUT_MATRIX_UNITS else set()
    if target.startswith("compute"):
        found = set(re.findall(rb"\.visible \.entry (\w+)\(", image))
        if found != {name.encode() for name in declared} or b"__local_depot" in image:
            sys.exit(f"{target}: kernels {sorted(found)}, or local memory")
        return {name: {} for name in sorted(declared)}
    spills = [line for line in log.splitlines() if "spill" in line and "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" not in line]
    kernels = {}
    for part in log.split("Compiling entry function '")[1:]:
        registers = re.search(r"Used (\d+) registers", part)
        shared = re.search(r"(\d+) bytes smem", part)
        kernels[part.split("'")[0]] = {"registers": int(registers[1]), "shared": int(shared[1]) if shared else 0}
    over = [name for name, used in kernels.items() if used["registers"] > MOST_REGISTERS[name]]
    if spills or over or "cumulative stack" in log or set(kernels) != declared:
        sys.exit(f"{target}: spills, local memory, or too many registers ({', '.join(over)}):\n{log}")
    return dict(sorted(kernels.items()))


def print_table(images):
    """Registers of each kernel on each architecture."""
    cubins = {name.split(".")[0]: image["kernels"] for name, image in images.items() if name.endswith(".cubin")}
    print(f"{'registers':14}" + "".join(f"{target:>8}" for target in cubins) + "   limit")
    for kernel, most in MOST_REGISTERS.items():
        print(f"{kernel:14}" + "".join(f"{kernels[kernel]['registers'] if kernel in kernels else '':>8}" for kernels in cubins.values()) + f"{most:8}")


def compare(files):
    there = {path.name for path in IMAGES.iterdir()} if IMAGES.is_dir() else set()
    wrong = sorted(there ^ set(files)) + sorted(name for name in there & set(files) if (IMAGES / name).read_bytes() != files[name])
    if wrong:
        sys.exit(f"not what the sources give: {', '.join(wrong)}; run interop/cuda_images.py and commit what it writes")


if __name__ == "__main__":
    main()
