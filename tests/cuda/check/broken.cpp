// A device that is broken on command: check.py says how, and looks at the log.

#include "device.h"

#include <unistd.h>

namespace {

// A kernel that does nothing, since there are no rows.
void launch_nothing(void* stream) {
    Array<u32>* count = new Array<u32>(std::vector<u32>{0});  // outlives what is under way
    SoftmaxRows softmax = {count->get(), nullptr, 1, 0};
    void* arguments[] = {&softmax};
    OK(cuLaunchKernel(function_named("softmax_rows"), 1, 1, 1, 32, 1, 1, 0, stream, arguments, nullptr));
}

int state_after(void* event, int while_it_is) {
    int state;
    while ((state = cuEventQuery(event)) == while_it_is) {
        usleep(1000);
    }
    return state;
}

void write_control(const char* words) {
    FILE* file = fopen(getenv("TIDEGATE_FAKE_CUDA_CONTROL"), "w");
    REQUIRE(file && fputs(words, file) >= 0 && fclose(file) == 0, "the control file");
}

}  // namespace

void check_failing_call() {
    u64 at;
    OK(cuMemAlloc_v2(&at, 16));
    REQUIRE(cuMemAlloc_v2(&at, 16) == 2, "`once` did not fail");
    OK(cuMemAlloc_v2(&at, 16));
    REQUIRE(cuMemAlloc_v2(&at, 16) == 719, "`fail` did not fail");
    REQUIRE(cuCtxSynchronize() == 719 && cuMemAlloc_v2(&at, 16) == 719, "the device lives");
}

void check_faulting_kernel() {
    void *stream, *event;
    OK(cuStreamCreate(&stream, 1));
    OK(cuEventCreate(&event, 2));
    launch_nothing(stream);
    OK(cuEventRecord(event, stream));
    REQUIRE(state_after(event, 600) == 0, "the first launch failed");
    launch_nothing(stream);
    REQUIRE(state_after(event, 0) == 700, "the second launch did not fail");
}

void check_hanging_stream() {
    void *stream, *event;
    OK(cuStreamCreate(&stream, 1));
    OK(cuEventCreate(&event, 2));
    write_control("hang=1");
    launch_nothing(stream);
    OK(cuEventRecord(event, stream));
    for (int i = 0; i < 20; i++) {
        REQUIRE(cuEventQuery(event) == 600, "a hanging stream went on");
        usleep(1000);
    }
    write_control("hang=0 ");
    REQUIRE(state_after(event, 600) == 0, "the stream did not go on");
}
