// Initialisation, the device, its context, and the names of errors.

#include "driver.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace {

struct Context {};
Context the_context;

std::atomic<bool> initialized{false}, ending{false};
std::atomic<int> retained{0};
thread_local Context* current = nullptr;

// Numbers of CUdevice_attribute; what is not asked for is 0.
int attribute(int which, const Settings& s) {
    const bool small = s.major * 10 + s.minor == 75, large = s.major == 9 || s.major == 10, a100 = s.major * 10 + s.minor == 80;
    switch (which) {
        case 1: case 2: case 3: return 1024;   // threads of a block
        case 4: return 64;
        case 5: return 2147483647;             // blocks of a grid
        case 6: case 7: return 65535;
        case 8: return 48 * 1024;              // shared memory of a block
        case 9: return 65536;                  // constant memory
        case 10: return 32;                    // lanes
        case 12: case 82: return 65536;        // registers of a block, of a multiprocessor
        case 13: return 1980000;               // kHz
        case 16: return large ? 132 : 40;      // multiprocessors
        case 19: case 31: case 41: return 1;   // mapped host memory, concurrent kernels, one address space
        case 38: return 50 << 20;              // second-level cache
        case 39: return small ? 1024 : 2048;   // threads of a multiprocessor
        case 40: return 2;                     // copy engines
        case 75: return s.major;
        case 76: return s.minor;
        case 81: return large ? 233472 : a100 ? 167936 : small ? 65536 : 102400;  // shared memory of a multiprocessor
        case 97: return large ? 232448 : a100 ? 166912 : small ? 65536 : 101376;  // of a block that asks for it
        default: return 0;
    }
}

struct Named {
    int code;
    const char* name;
    const char* words;
};

const Named NAMES[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {DEINITIALIZED, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {STUB_LIBRARY, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {ECC_UNCORRECTABLE, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {NVLINK_UNCORRECTABLE, "CUDA_ERROR_NVLINK_UNCORRECTABLE", "uncorrectable NVLink error detected during the execution"},
    {UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {ASSERT, "CUDA_ERROR_ASSERT", "device-side assert triggered"},
    {HARDWARE_STACK_ERROR, "CUDA_ERROR_HARDWARE_STACK_ERROR", "hardware stack error"},
    {ILLEGAL_INSTRUCTION, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {INVALID_ADDRESS_SPACE, "CUDA_ERROR_INVALID_ADDRESS_SPACE", "operation not supported on global/shared address space"},
    {INVALID_PC, "CUDA_ERROR_INVALID_PC", "invalid program counter"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {STREAM_CAPTURE_IMPLICIT, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing blocking stream"},
    {CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
    {STREAM_CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
    {UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

const Named* named(int code) {
    for (const Named& each : NAMES) {
        if (each.code == code) {
            return &each;
        }
    }
    return nullptr;
}

int check_device(int device) {
    return device >= 0 && device < settings().devices ? SUCCESS : INVALID_DEVICE;
}

}  // namespace

int check_context(Needs needs) {
    if (needs != NOTHING && !initialized) {
        return NOT_INITIALIZED;
    }
    return needs == CONTEXT && !(current && retained > 0) ? INVALID_CONTEXT : SUCCESS;
}

API cuInit(unsigned) {
    return enter(__func__, NOTHING, [] {
        const Settings s = settings();
        if (s.init || s.devices == 0) {
            return s.init ? s.init : (int)NO_DEVICE;
        }
        if (!initialized.exchange(true)) {
            // From then on a real driver takes itself apart, and a call may end in anything.
            std::atexit([] { ending = true; });
        }
        return (int)SUCCESS;
    });
}

bool is_ending() {
    return ending;
}

// Works before cuInit, as the real one does.
API cuDriverGetVersion(int* version) {
    return enter(__func__, NOTHING, [&] { return *version = settings().driver, SUCCESS; });
}

API cuDeviceGetCount(int* count) {
    return enter(__func__, INITIALIZED, [&] { return *count = settings().devices, SUCCESS; });
}

API cuDeviceGet(int* device, int ordinal) {
    return enter(__func__, INITIALIZED, [&] { return *device = ordinal, check_device(ordinal); });
}

API cuDeviceGetName(char* name, int length, int device) {
    return enter(__func__, INITIALIZED, [&] { return snprintf(name, length, "%s", settings().name), check_device(device); });
}

API cuDeviceGetAttribute(int* value, int which, int device) {
    return enter(__func__, INITIALIZED, [&] { return *value = attribute(which, settings()), check_device(device); });
}

API cuDeviceTotalMem_v2(size_t* bytes, int device) {
    return enter(__func__, INITIALIZED, [&] { return *bytes = settings().memory, check_device(device); });
}

static int uuid(unsigned char* to, int device) {
    memset(to, 0x5a, 16);
    to[15] = (unsigned char)device;
    return check_device(device);
}

API cuDeviceGetUuid(unsigned char* to, int device) {
    return enter(__func__, INITIALIZED, [&] { return uuid(to, device); });
}

API cuDeviceGetUuid_v2(unsigned char* to, int device) {
    return enter(__func__, INITIALIZED, [&] { return uuid(to, device); });
}

// One context serves all devices: nothing here tells them apart.
API cuDevicePrimaryCtxRetain(void** context, int device) {
    return enter(__func__, INITIALIZED, [&] { return *context = &the_context, retained++, check_device(device); });
}

API cuDevicePrimaryCtxRelease_v2(int device) {
    return enter(__func__, INITIALIZED, [&] { return retained--, check_device(device); });
}

API cuDevicePrimaryCtxSetFlags_v2(int device, unsigned) {
    return enter(__func__, INITIALIZED, [&] { return check_device(device); });
}

API cuCtxSetCurrent(void* context) {
    return enter(__func__, INITIALIZED, [&] {
        if (context && context != &the_context) {
            return (int)INVALID_CONTEXT;
        }
        current = static_cast<Context*>(context);
        return (int)SUCCESS;
    });
}

API cuCtxGetCurrent(void** context) {
    return enter(__func__, INITIALIZED, [&] { return *context = current, SUCCESS; });
}

API cuCtxGetDevice(int* device) {
    return enter(__func__, CONTEXT, [&] { return *device = 0, SUCCESS; });
}

API cuCtxSynchronize() {
    return enter(__func__, CONTEXT, [] {
        const int spoilt = spoils_capture(STREAM_CAPTURE_UNSUPPORTED);
        if (!spoilt) {
            wait_for_all();
        }
        return spoilt;
    });
}

// These two say nothing about the device, and are no calls to it.
API cuGetErrorName(int code, const char** name) {
    const Named* found = named(code);
    *name = found ? found->name : nullptr;
    return found ? SUCCESS : INVALID_VALUE;
}

API cuGetErrorString(int code, const char** words) {
    const Named* found = named(code);
    *words = found ? found->words : nullptr;
    return found ? SUCCESS : INVALID_VALUE;
}
