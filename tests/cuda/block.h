// A block of threads on the shim: what kernels ask of it (by way of shim.h), and how one is launched.
#pragma once

#include <cstddef>
#include <cstdint>

struct Kernel {
    const char* name;
    size_t parameter_bytes;
    size_t static_shared;
    unsigned most_threads;
    bool barriers;  // without, its threads need no fibres
    void (*run)(const void* parameters);
};

// Null where there is no kernel of that name.
const Kernel* kernel_named(const char* name);

namespace shim {

// Ends the process: what the kernel did is wrong on a device too.
[[noreturn]] void die(const char* words, ...) __attribute__((format(printf, 1, 2)));

// All threads of the block wait for each other; answers whether any of them said `any`.
bool barrier(bool any, const char* file, int line);
// All lanes of the warp wait for each other and see what each brought.
uint64_t from_lane(uint64_t brought, unsigned lane, const char* file, int line);
unsigned char* dynamic_start();
unsigned dynamic_bytes();

struct Index {
    unsigned x, y, z;
};
extern Index thread_index, block_index, block_size, grid_size;

void set_seed(uint64_t seed);
// Runs all blocks, and is back when they are done.
void launch(const Kernel& kernel, const void* parameters, Index grid, Index block, size_t dynamic_bytes);

}  // namespace shim
