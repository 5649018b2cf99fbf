// The driver as the checks use it: memory that frees itself, launches, and random numbers.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

// uint2 and the like stay out: the checks share nothing with the kernels but what the host hands over.
#include "../../../src/engine/cuda/kernels/abi.cuh"

extern "C" {
int cuInit(unsigned);
int cuDeviceGet(int*, int);
int cuDevicePrimaryCtxRetain(void**, int);
int cuCtxSetCurrent(void*);
int cuCtxSynchronize();
int cuMemAlloc_v2(u64*, size_t);
int cuMemFree_v2(u64);
int cuMemGetInfo_v2(size_t*, size_t*);
int cuMemHostAlloc(void**, size_t, unsigned);
int cuMemcpyHtoD_v2(u64, const void*, size_t);
int cuMemcpyDtoH_v2(void*, u64, size_t);
int cuMemcpyHtoDAsync_v2(u64, const void*, size_t, void*);
int cuMemcpyDtoHAsync_v2(void*, u64, size_t, void*);
int cuModuleLoadData(void**, const void*);
int cuModuleGetFunction(void**, void*, const char*);
int cuStreamCreate(void**, unsigned);
int cuStreamSynchronize(void*);
int cuStreamBeginCapture_v2(void*, int);
int cuStreamEndCapture(void*, void**);
int cuGraphGetNodes(void*, void**, size_t*);
int cuGraphNodeGetType(void*, int*);
int cuGraphInstantiateWithFlags(void**, void*, unsigned long long);
int cuGraphLaunch(void*, void*);
int cuEventCreate(void**, unsigned);
int cuEventRecord(void*, void*);
int cuEventQuery(void*);
int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
}

#define REQUIRE(holds, ...)                                              \
    do {                                                                 \
        if (!(holds)) {                                                  \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #holds);  \
            fprintf(stderr, __VA_ARGS__);                                \
            fprintf(stderr, " (round %llu)\n", (unsigned long long)current_round); \
            exit(1);                                                     \
        }                                                                \
    } while (0)

// The round's number is its seed.
extern u64 current_round;

#define OK(call) REQUIRE((call) == 0, "the driver refused")

struct Random {
    u64 state;
    // splitmix64
    u64 bits() {
        u64 z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    u32 below(u64 limit) { return (u32)(bits() % limit); }
    u32 between(u32 low, u32 high) { return low + below(high - low + 1); }
    bool chance(double p) { return uniform() < p; }
    double uniform() { return (double)(bits() >> 11) / 9007199254740992.0; }
    double around_zero() { return 4.0 * uniform() - 2.0; }
};

// A vector's twin on the device.
template <class T>
struct Array {
    u64 at = 0;
    size_t length;

    explicit Array(size_t length) : length(length) { OK(cuMemAlloc_v2(&at, length ? length * sizeof(T) : 1)); }
    explicit Array(const std::vector<T>& values) : Array(values.size()) {
        if (length > 0) OK(cuMemcpyHtoD_v2(at, values.data(), length * sizeof(T)));
    }
    Array(const Array&) = delete;
    ~Array() { cuMemFree_v2(at); }

    T* get() const { return reinterpret_cast<T*>(at); }
    std::vector<T> read() const {
        std::vector<T> values(length);
        OK(cuMemcpyDtoH_v2(values.data(), at, length * sizeof(T)));
        return values;
    }
};

void* function_named(const char* name);

template <class Parameters>
void launch(const char* name, Parameters parameters, u32 grid_x, u32 grid_y, u32 threads, u32 dynamic = 0) {
    void* arguments[] = {&parameters};
    OK(cuLaunchKernel(function_named(name), grid_x, grid_y, 1, threads, 1, 1, dynamic, nullptr, arguments, nullptr));
    OK(cuCtxSynchronize());
}

inline u32 tiles(u32 all, u32 tile) {
    return (all + tile - 1) / tile;
}

// Whether two numbers have the same bits; all that is not a number counts as the same.
template <class T>
bool same(T a, T b) {
    return (a != a && b != b) || memcmp(&a, &b, sizeof(T)) == 0;
}

void check_rows(Random& random);
void check_trees(Random& random);
void check_wide_trees(Random& random);
void check_finish(Random& random);
void check_networks(Random& random);
void check_driver();
void check_failing_call();
void check_faulting_kernel();
void check_hanging_stream();
