// Every kernel beside plain code, on the fake driver: check ROUNDS [FIRST_ROUND]. Exits with 1 at the
// first difference, and says its round. `check call`, `kernel` and `stream` look at a device that is broken
// on command. ../check.py builds and runs it.

#include "device.h"

u64 current_round = 0;

namespace {

void* module_handle;

// Nothing but names: the fake driver asks an image for no more.
const char IMAGE[] =
    ".version 8.0\n.target sm_75\n.entry assemble(\n.entry walk(\n.entry walk_resident(\n.entry walk_wide(\n"
    ".entry finish(\n.entry network(\n.entry dense(\n.entry softmax_rows(\n";

void open_device() {
    int device;
    void* context;
    OK(cuInit(0));
    OK(cuDeviceGet(&device, 0));
    OK(cuDevicePrimaryCtxRetain(&context, device));
    OK(cuCtxSetCurrent(context));
    OK(cuModuleLoadData(&module_handle, IMAGE));
}

struct Broken {
    const char* mode;
    void (*check)();
};

const Broken BROKEN[] = {{"call", check_failing_call}, {"kernel", check_faulting_kernel}, {"stream", check_hanging_stream}};

[[noreturn]] void done() {
    fflush(stdout);
    _Exit(0);  // the streams' threads do not end
}

}  // namespace

void* function_named(const char* name) {
    void* function;
    OK(cuModuleGetFunction(&function, module_handle, name));
    return function;
}

int main(int count, char** arguments) {
    const u64 rounds = count > 1 ? strtoull(arguments[1], nullptr, 10) : 20;
    const u64 first = count > 2 ? strtoull(arguments[2], nullptr, 10) : 1;
    open_device();
    const char* mode = count > 1 ? arguments[1] : "";
    for (const Broken& broken : BROKEN) {
        if (strcmp(mode, broken.mode) == 0) {
            broken.check();
            done();
        }
    }
    check_driver();
    for (current_round = first; current_round < first + rounds; current_round++) {
        Random random{current_round};
        check_rows(random);
        check_trees(random);
        check_wide_trees(random);
        check_finish(random);
        check_networks(random);
    }
    printf("%llu rounds from %llu on: all kernels agree\n", (unsigned long long)rounds, (unsigned long long)first);
    done();
}
