// The kernels themselves, built for the host, and the table of their names.

#include "shim.h"

#ifndef KERNELS
#define KERNELS "../../src/engine/cuda/kernels/kernels.cu"
#endif
#include KERNELS

namespace {

template <class Parameters, void (*function)(Parameters)>
void call(const void* parameters) {
    function(*static_cast<const Parameters*>(parameters));
}

template <class Parameters, void (*function)(Parameters)>
constexpr Kernel entry(const char* name, bool barriers, size_t static_shared = 0) {
    return {name, sizeof(Parameters), static_shared, 256, barriers, call<Parameters, function>};
}

const Kernel TABLE[] = {
    entry<Assemble, assemble>("assemble", false),
    entry<Walk, walk>("walk", true),
    entry<Walk, walk_resident>("walk_resident", true),
    entry<WalkWide, walk_wide>("walk_wide", false),
    entry<Finish, finish>("finish", true, 2 * CHUNK * sizeof(double)),
    entry<Network, network>("network", true),
    entry<Dense, dense>("dense", true, 2 * sizeof(DenseTile)),
    entry<SoftmaxRows, softmax_rows>("softmax_rows", true),
};

}  // namespace

const Kernel* kernel_named(const char* name) {
    for (const Kernel& kernel : TABLE) {
        if (strcmp(kernel.name, name) == 0) {
            return &kernel;
        }
    }
    return nullptr;
}
