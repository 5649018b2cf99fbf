// Memory of the device and pinned memory of the host: pages apart, filled with 0xff.
//
// A block ends where a page ends that nobody may touch. Freed blocks keep their place and cannot be
// touched either, so a kernel that goes on using one ends the process.

#include "driver.h"

#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr size_t PAGE = 4096;
constexpr size_t ALIGNMENT = 256;
// How much later memory is written that nobody has waited for.
constexpr unsigned LATER_US = 200;

struct Block {
    unsigned char* pages;
    size_t mapped;
    size_t bytes;
    bool freed;
};

using Blocks = std::map<uint64_t, Block>;

struct State {
    std::mutex lock;
    Blocks device, pinned;
    uint64_t used = 0;
};

State& state() {
    static State* state = new State;
    return *state;
}

// The address of a new block. Its last bytes, up to the alignment, are watched when it is freed.
uint64_t take(Blocks& blocks, size_t bytes) {
    const size_t size = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const size_t mapped = (size + PAGE - 1) / PAGE * PAGE + PAGE;
    void* pages = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return 0;
    }
    unsigned char* first = static_cast<unsigned char*>(pages);
    mprotect(first + mapped - PAGE, PAGE, PROT_NONE);
    unsigned char* start = first + mapped - PAGE - size;
    memset(start, 0xff, size);
    blocks[(uint64_t)start] = {first, mapped, bytes, false};
    return (uint64_t)start;
}

void give_back(Blocks& blocks, uint64_t at, const char* function) {
    const auto found = blocks.find(at);
    if (found == blocks.end()) {
        wrong("%s: no block begins at %#llx", function, (unsigned long long)at);
    }
    Block& block = found->second;
    if (block.freed) {
        wrong("%s: the block at %#llx is freed twice", function, (unsigned long long)at);
    }
    for (const unsigned char* past = (unsigned char*)at + block.bytes; (uint64_t)past % ALIGNMENT; past++) {
        if (*past != 0xff) {
            wrong("something wrote past the end of the block of %zu bytes at %#llx", block.bytes, (unsigned long long)at);
        }
    }
    block.freed = true;
    mprotect(block.pages, block.mapped, PROT_NONE);
    madvise(block.pages, block.mapped, MADV_DONTNEED);
}

void must_be_in(const Blocks& blocks, uint64_t at, size_t bytes, const char* kind, const char* function) {
    auto found = blocks.upper_bound(at);
    if (found != blocks.begin() && (--found)->second.freed && at < found->first + found->second.bytes) {
        wrong("%s: %#llx lies in a %s block that was freed", function, (unsigned long long)at, kind);
    }
    if (found == blocks.end() || at < found->first || at + bytes > found->first + found->second.bytes) {
        wrong("%s: %zu bytes at %#llx are not in one %s block", function, bytes, (unsigned long long)at, kind);
    }
}

}  // namespace

void must_be_device(uint64_t at, size_t bytes, const char* function) {
    std::lock_guard<std::mutex> lock(state().lock);
    must_be_in(state().device, at, bytes, "device", function);
}

void must_be_pinned(const void* at, size_t bytes, const char* function) {
    std::lock_guard<std::mutex> lock(state().lock);
    must_be_in(state().pinned, (uint64_t)at, bytes, "pinned", function);
}

API cuMemGetInfo_v2(size_t* free, size_t* total) {
    return enter(__func__, CONTEXT, [&] {
        const uint64_t memory = settings().memory;
        std::lock_guard<std::mutex> lock(state().lock);
        *total = memory;
        *free = memory > state().used ? memory - state().used : 0;
        return SUCCESS;
    });
}

API cuMemAlloc_v2(uint64_t* at, size_t bytes) {
    return enter(__func__, CONTEXT, [&] {
        if (const int spoilt = spoils_capture(STREAM_CAPTURE_UNSUPPORTED)) {
            return spoilt;
        }
        const uint64_t memory = settings().memory;
        std::lock_guard<std::mutex> lock(state().lock);
        if (bytes == 0) {
            return (int)INVALID_VALUE;
        }
        if (bytes > memory || state().used > memory - bytes || (*at = take(state().device, bytes)) == 0) {
            return (int)OUT_OF_MEMORY;
        }
        state().used += bytes;
        return (int)SUCCESS;
    });
}

// Waits for the device, as the real one does.
API cuMemFree_v2(uint64_t at) {
    return enter(__func__, CONTEXT, [&] {
        if (const int spoilt = spoils_capture(STREAM_CAPTURE_UNSUPPORTED)) {
            return spoilt;
        }
        wait_for_all();
        std::lock_guard<std::mutex> lock(state().lock);
        give_back(state().device, at, "cuMemFree_v2");
        state().used -= state().device[at].bytes;
        return (int)SUCCESS;
    });
}

API cuMemHostAlloc(void** at, size_t bytes, unsigned) {
    return enter(__func__, CONTEXT, [&] {
        if (const int spoilt = spoils_capture(STREAM_CAPTURE_UNSUPPORTED)) {
            return spoilt;
        }
        std::lock_guard<std::mutex> lock(state().lock);
        const uint64_t start = bytes ? take(state().pinned, bytes) : 0;
        *at = (void*)start;
        return (int)(bytes == 0 ? INVALID_VALUE : start == 0 ? OUT_OF_MEMORY : SUCCESS);
    });
}

API cuMemFreeHost(void* at) {
    return enter(__func__, CONTEXT, [&] {
        if (const int spoilt = spoils_capture(STREAM_CAPTURE_UNSUPPORTED)) {
            return spoilt;
        }
        wait_for_all();
        std::lock_guard<std::mutex> lock(state().lock);
        give_back(state().pinned, (uint64_t)at, "cuMemFreeHost");
        return (int)SUCCESS;
    });
}

// Host and device share one space of addresses, as on every machine that we run on.
API cuMemHostGetDevicePointer_v2(uint64_t* device, void* host, unsigned) {
    return enter(__func__, CONTEXT, [&] {
        must_be_pinned(host, 1, "cuMemHostGetDevicePointer_v2");
        *device = (uint64_t)host;
        return SUCCESS;
    });
}

// Without a stream: work of the default one, which streams that do not block do not wait for. It is not
// done when the call returns, as the manual says of memory that is not pinned and of memset.
static int do_later(std::function<void()> work) {
    if (const int spoilt = spoils_capture(STREAM_CAPTURE_IMPLICIT)) {
        return spoilt;
    }
    return submit(nullptr, NODE_MEMCPY, [=] {
        usleep(LATER_US);
        work();
    });
}

API cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
    return enter(__func__, CONTEXT, [&] {
        must_be_device(to, bytes, "cuMemcpyHtoD_v2");
        const std::string staged((const char*)from, bytes);
        return do_later([=] { memcpy((void*)to, staged.data(), bytes); });
    });
}

API cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
    return enter(__func__, CONTEXT, [&] {
        must_be_device(from, bytes, "cuMemcpyDtoH_v2");
        if (const int refused = do_later([=] { memcpy(to, (const void*)from, bytes); })) {
            return refused;
        }
        wait_for_all();
        return (int)SUCCESS;
    });
}

API cuMemsetD8_v2(uint64_t at, unsigned char byte, size_t bytes) {
    return enter(__func__, CONTEXT, [&] {
        must_be_device(at, bytes, "cuMemsetD8_v2");
        return do_later([=] { memset((void*)at, byte, bytes); });
    });
}

API cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Stream* stream) {
    return enter(__func__, CONTEXT, [&] {
        must_be_device(to, bytes, "cuMemcpyHtoDAsync_v2");
        must_be_pinned(from, bytes, "cuMemcpyHtoDAsync_v2");
        return submit(stream, NODE_MEMCPY, [=] { memcpy((void*)to, from, bytes); });
    });
}

API cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* stream) {
    return enter(__func__, CONTEXT, [&] {
        must_be_device(from, bytes, "cuMemcpyDtoHAsync_v2");
        must_be_pinned(to, bytes, "cuMemcpyDtoHAsync_v2");
        return submit(stream, NODE_MEMCPY, [=] { memcpy(to, (const void*)from, bytes); });
    });
}

API cuMemsetD8Async(uint64_t at, unsigned char byte, size_t bytes, Stream* stream) {
    return enter(__func__, CONTEXT, [&] {
        must_be_device(at, bytes, "cuMemsetD8Async");
        return submit(stream, NODE_MEMSET, [=] { memset((void*)at, byte, bytes); });
    });
}
