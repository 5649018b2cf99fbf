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
    static_assert(sizeof(T) <= sizeof(Brought), "registers of a lane");
    Brought words = {};
    memcpy(words, &value, sizeof(T));
    memcpy(&value, from_lanes(words, file, line)[(thread_index.x % 32) ^ apart], sizeof(T));
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
#define DEVICE_MEMBER inline
#define MATRIX_UNITS
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
// Ties away from zero: half a unit of the last place that stays is added to the size.
inline unsigned to_tf32(float x) {
    const unsigned bits = __float_as_uint(x);
    return std::isfinite(x) ? (bits + 0x1000) & ~0x1fffu : bits;
}

// Ties to even.
inline unsigned short to_bf16(float x) {
    const unsigned bits = __float_as_uint(x);
    return (unsigned short)((std::isnan(x) ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// D = A B + C by one warp. `element` gives A[row][k] and B[k][column] out of what the lanes have brought:
// where in their fragments these are is the PTX manual's word. The sum is rounded once, a device's
// rounds more often.
template <class A, class B>
inline void multiply_fragments(float (&sums)[4], unsigned depth, A a, B b) {
    const unsigned group = threadIdx.x % 32 / 4, member = threadIdx.x % 4;
    for (unsigned i = 0; i < 4; i++) {
        const unsigned row = group + 8 * (i / 2), column = 2 * member + i % 2;
        double sum = sums[i];
        for (unsigned k = 0; k < depth; k++) {
            sum += (double)a(row, k) * (double)b(k, column);
        }
        sums[i] = (float)sum;
    }
}

inline const shim::Brought* fragments(const unsigned (&rows)[4], const unsigned (&weights)[2]) {
    const shim::Brought own = {rows[0], rows[1], rows[2], rows[3], weights[0], weights[1]};
    return shim::from_lanes(own, __FILE__, __LINE__);
}

inline void mma_tf32(float (&sums)[4], const unsigned (&rows)[4], const unsigned (&weights)[2]) {
    const shim::Brought* of = fragments(rows, weights);
    // a0: group, member; a1: group + 8; a2: member + 4; a3: both. b0: member, group; b1: member + 4.
    auto a = [=](unsigned row, unsigned k) { return __uint_as_float(of[row % 8 * 4 + k % 4][row / 8 + k / 4 * 2]); };
    auto b = [=](unsigned k, unsigned column) { return __uint_as_float(of[column * 4 + k % 4][4 + k / 4]); };
    multiply_fragments(sums, 8, a, b);
}

inline float half_of(unsigned word, unsigned which) {
    return __uint_as_float(which ? word & 0xffff0000u : word << 16);
}

inline void mma_bf16(float (&sums)[4], const unsigned (&rows)[4], const unsigned (&weights)[2]) {
    const shim::Brought* of = fragments(rows, weights);
    // a0, a1: group, 2 member and the next; a2, a3: group + 8; a4, a5: 2 member + 8; a6, a7: both.
    // b0, b1: 2 member and the next, group; b2, b3: 2 member + 8.
    auto a = [=](unsigned row, unsigned k) { return half_of(of[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2], k % 2); };
    auto b = [=](unsigned k, unsigned column) { return half_of(of[column * 4 + k % 8 / 2][4 + k / 8], k % 2); };
    multiply_fragments(sums, 16, a, b);
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
// No compiler may join these to a fused multiply-add: the build says -ffp-contract=off.
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
