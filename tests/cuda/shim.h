// Enough of CUDA C++ for a host compiler to build the kernels as they are.
//
// A block's threads are fibres on one thread of the host. Between two barriers each runs to its end
// before the next begins, in an order drawn anew every time; shared memory holds NaN when a block
// starts. A kernel that forgets a barrier reads NaN or what another thread has already written over;
// a barrier that some threads do not reach, a lane missing from a shuffle and a misaligned load end
// the process with a message.
#pragma once

#include "block.h"

#include <cmath>
#include <cstring>

namespace shim {

template <class T>
T exchanged(T value, unsigned apart, const char* file, int line) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "one register");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    bits = from_lane(bits, (thread_index.x % 32) ^ apart, file, line);
    memcpy(&value, &bits, sizeof(T));
    return value;
}

}  // namespace shim

#define threadIdx shim::thread_index
#define blockIdx shim::block_index
#define blockDim shim::block_size
#define gridDim shim::grid_size

#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// One section holds all of it, so that a block can be given poisoned memory.
#define __shared__ static __attribute__((section("cuda_shared")))

#define DEVICE static inline
#define dynamic_shared shim::dynamic_start
#define dynamic_shared_bytes shim::dynamic_bytes

#define __syncthreads() (void)shim::barrier(false, __FILE__, __LINE__)
#define __syncthreads_or(any) shim::barrier((any), __FILE__, __LINE__)
#define __shfl_xor_sync(mask, value, apart) shim::exchanged(value, apart, __FILE__, __LINE__)

struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

template <class T>
inline T __ldg(const T* from) {
    if (reinterpret_cast<uintptr_t>(from) % alignof(T) != 0) {
        shim::die("a load of %zu bytes from %p, which is not aligned", sizeof(T), (const void*)from);
    }
    return *from;
}

template <class To, class From>
inline To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    memcpy(&to, &from, sizeof(To));
    return to;
}

inline float __uint_as_float(unsigned bits) { return bits_as<float>(bits); }
inline unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
inline long long __double_as_longlong(double x) { return bits_as<long long>(x); }
inline double __hiloint2double(int high, int low) {
    return bits_as<double>((uint64_t)(unsigned)high << 32 | (unsigned)low);
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
// No compiler may join these to a fused multiply-add: the build says -ffp-contract=off.
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
