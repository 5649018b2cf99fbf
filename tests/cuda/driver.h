// A driver without a device: libcuda.so.1 as our server calls it, with the kernels run by the shim.
//
// What differs from a real one is said where it is done: uses that a real driver may or may not
// catch (freed memory, memory that is not pinned) end the process, and a control file breaks the
// device while the server runs (control.cpp).
#pragma once

#include "block.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define API extern "C" __attribute__((visibility("default"))) int

// The numbers of cuda.h.
enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    DEINITIALIZED = 4,
    STUB_LIBRARY = 34,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    ECC_UNCORRECTABLE = 214,
    NVLINK_UNCORRECTABLE = 220,
    UNSUPPORTED_PTX_VERSION = 222,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_OUT_OF_RESOURCES = 701,
    LAUNCH_TIMEOUT = 702,
    ASSERT = 710,
    HARDWARE_STACK_ERROR = 714,
    ILLEGAL_INSTRUCTION = 715,
    MISALIGNED_ADDRESS = 716,
    INVALID_ADDRESS_SPACE = 717,
    INVALID_PC = 718,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
    STREAM_CAPTURE_IMPLICIT = 906,
    CAPTURED_EVENT = 907,
    STREAM_CAPTURE_WRONG_THREAD = 908,
    UNKNOWN = 999,
};

// -- control.cpp --

struct Settings {
    int driver = 12090;
    int devices = 1;
    int major = 9, minor = 0;
    int init = 0;
    char name[96] = "Tidegate shim";
    uint64_t memory = 1ull << 30;
    long delay_us = 0;
    bool hang = false;
};

// As the environment and the control file say now.
Settings settings();
// Whether this call goes on: SUCCESS, or the error that it is to answer.
int admitted(const char* function);
// Whether a kernel runs to its end; else the device is lost.
bool kernel_survives(const char* name);
// The device is lost from now on if the error is one that lasts.
int told(const char* function, int result);
bool is_lost();
[[noreturn]] void wrong(const char* words, ...) __attribute__((format(printf, 1, 2)));

// -- device.cpp --

enum Needs { NOTHING, INITIALIZED, CONTEXT };
int check_context(Needs needs);
// Whether the process is on its way out.
bool is_ending();

// Every function of the driver: what the control file says comes first.
template <class Body>
int enter(const char* function, Needs needs, Body body) {
    if (is_ending()) {
        wrong("%s is called while the process ends", function);
    }
    if (const int error = admitted(function)) {
        return error;
    }
    if (const int error = check_context(needs)) {
        return error;
    }
    return told(function, body());
}

// -- memory.cpp --

// Ends the process unless all bytes are of one living block of the device.
void must_be_device(uint64_t at, size_t bytes, const char* function);
// The same for memory of cuMemHostAlloc.
void must_be_pinned(const void* at, size_t bytes, const char* function);

// -- streams.cpp --

struct Stream;

enum NodeType { NODE_KERNEL = 0, NODE_MEMCPY = 1, NODE_MEMSET = 2, NODE_EVENT_RECORD = 7 };

// Queues the work, or records it where the stream is being captured.
int submit(Stream* stream, NodeType type, std::function<void()> work);
// An error if this thread captures, when a call that would wait for the device spoils the capture.
int spoils_capture(int error);
// Waits until every stream is idle.
void wait_for_all();
