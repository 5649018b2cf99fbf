// Blocks of fibres: see shim.h.
//
// Kernels run one at a time, whichever thread launches them: shared memory and the indices are
// variables of the process.

#include "block.h"

#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <numeric>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

extern char __start_cuda_shared[] __attribute__((visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((visibility("hidden")));

namespace shim {

Index thread_index, block_index, block_size, grid_size;

namespace {

enum class Wait { NONE, WARP, BLOCK, DONE };

// A thread of the block. It is made once and runs kernel after kernel.
struct Fibre {
    ucontext_t start;
    jmp_buf at;
    bool started = false;
    Wait wait = Wait::NONE;
    const char* file = nullptr;
    int line = 0;
};

// Lanes meet here. Those that are a meeting ahead use the other row.
struct Warp {
    uint64_t brought[2][32];
    unsigned arrived = 0, meeting = 0;
};

constexpr size_t STACK = 64 * 1024;
constexpr size_t PAGE = 4096;

const Kernel* kernel;
const void* parameters;
std::vector<Fibre*> fibres;
std::vector<Warp> warps;
Fibre* current;
jmp_buf home;
bool any_said, heard;
uint64_t first_seed = 1, drawn = 1;
unsigned char* dynamic_at;
unsigned dynamic_size;

unsigned char* map(size_t bytes) {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        die("no memory for %zu bytes", bytes);
    }
    return static_cast<unsigned char*>(at);
}

// splitmix64
uint64_t draw(uint64_t below) {
    uint64_t z = drawn += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % below;
}

void leave() {
    if (_setjmp(current->at) == 0) {
        _longjmp(home, 1);
    }
}

void live() {
    for (;;) {
        kernel->run(parameters);
        current->wait = Wait::DONE;
        current->line = 0;
        leave();
    }
}

Fibre* made() {
    Fibre* fibre = new Fibre;
    unsigned char* stack = map(PAGE + STACK);
    mprotect(stack, PAGE, PROT_NONE);
    getcontext(&fibre->start);
    fibre->start.uc_stack.ss_sp = stack + PAGE;
    fibre->start.uc_stack.ss_size = STACK;
    fibre->start.uc_link = nullptr;
    makecontext(&fibre->start, live, 0);
    return fibre;
}

void resume(unsigned thread) {
    current = fibres[thread];
    thread_index = {thread, 0, 0};
    if (_setjmp(home) == 0) {
        if (current->started) {
            _longjmp(current->at, 1);
        }
        current->started = true;
        setcontext(&current->start);
    }
}

void poison(size_t dynamic) {
    memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);
    // The end of the block's memory is the end of the page: the next byte cannot be touched.
    constexpr size_t MOST = 256 * 1024;
    static unsigned char* region = [] {
        unsigned char* at = map(MOST + PAGE);
        mprotect(at + MOST, PAGE, PROT_NONE);
        return at;
    }();
    dynamic_size = (unsigned)dynamic;
    dynamic_at = region + MOST - (dynamic + 15) / 16 * 16;
    memset(dynamic_at, 0xff, region + MOST - dynamic_at);
}

// Lets all that wait go on, where they wait for the same.
void release(unsigned threads) {
    const Fibre* first = fibres[0];
    for (unsigned at = 0; at < threads; at++) {
        const Fibre* fibre = fibres[at];
        if (fibre->wait == Wait::WARP) {
            die("%s:%d: not all lanes of a warp come to this shuffle", fibre->file, fibre->line);
        }
        if (fibre->wait != first->wait || fibre->line != first->line) {
            die("threads 0 and %u are not at the same barrier (lines %d and %d; 0 is the end)", at, first->line, fibre->line);
        }
    }
    // What was said is kept until all threads have gone on and stand at the next barrier.
    heard = any_said;
    any_said = false;
    if (first->wait == Wait::BLOCK) {
        for (unsigned at = 0; at < threads; at++) {
            fibres[at]->wait = Wait::NONE;
        }
    }
}

void run_block(unsigned threads) {
    while (fibres.size() < threads) {
        fibres.push_back(made());
    }
    warps.assign((threads + 31) / 32, Warp{});
    std::vector<unsigned> order(threads);
    std::iota(order.begin(), order.end(), 0);
    for (unsigned at = 0; at < threads; at++) {
        fibres[at]->wait = Wait::NONE;
    }
    any_said = false;
    while (fibres[0]->wait != Wait::DONE) {
        for (unsigned at = threads; at > 1; at--) {
            std::swap(order[at - 1], order[draw(at)]);
        }
        // More rounds than one only where lanes wait for each other.
        for (bool moved = true; moved;) {
            moved = false;
            for (unsigned thread : order) {
                if (fibres[thread]->wait == Wait::NONE) {
                    resume(thread);
                    moved = true;
                }
            }
        }
        release(threads);
    }
}

}  // namespace

void die(const char* words, ...) {
    va_list arguments;
    va_start(arguments, words);
    fprintf(stderr, "cuda shim: ");
    vfprintf(stderr, words, arguments);
    fprintf(stderr, " (kernel %s, block %u %u, seed %llu)\n", kernel ? kernel->name : "none", block_index.x,
            block_index.y, (unsigned long long)first_seed);
    va_end(arguments);
    abort();
}

bool barrier(bool any, const char* file, int line) {
    if (!kernel->barriers) {
        die("%s:%d: a barrier in a kernel that is said to have none", file, line);
    }
    any_said |= any;
    current->wait = Wait::BLOCK;
    current->file = file;
    current->line = line;
    leave();
    return heard;
}

uint64_t from_lane(uint64_t brought, unsigned lane, const char* file, int line) {
    Warp& warp = warps[thread_index.x / 32];
    const unsigned meeting = warp.meeting, self = thread_index.x;
    warp.brought[meeting % 2][self % 32] = brought;
    if (++warp.arrived == 32) {
        warp.arrived = 0;
        warp.meeting++;
        for (unsigned at = self / 32 * 32; at < self / 32 * 32 + 32; at++) {
            fibres[at]->wait = fibres[at]->wait == Wait::WARP ? Wait::NONE : fibres[at]->wait;
        }
    } else {
        current->wait = Wait::WARP;
        current->file = file;
        current->line = line;
        leave();
    }
    return warp.brought[meeting % 2][lane];
}

unsigned char* dynamic_start() {
    return dynamic_at;
}

unsigned dynamic_bytes() {
    return dynamic_size;
}

void set_seed(uint64_t seed) {
    first_seed = drawn = seed;
}

void launch(const Kernel& which, const void* arguments, Index grid, Index block, size_t dynamic) {
    static std::mutex one_at_a_time;
    std::lock_guard<std::mutex> lock(one_at_a_time);
    kernel = &which;
    parameters = arguments;
    grid_size = grid;
    block_size = block;
    const uint64_t blocks = (uint64_t)grid.x * grid.y;
    // Blocks come in an order of their own: steps of a number that shares no divisor with theirs.
    uint64_t step = 1 + draw(blocks);
    while (std::gcd(step, blocks) != 1) {
        step++;
    }
    uint64_t at = draw(blocks);
    for (uint64_t i = 0; i < blocks; i++, at = (at + step) % blocks) {
        block_index = {(unsigned)(at % grid.x), (unsigned)(at / grid.x), 0};
        poison(dynamic);
        if (which.barriers) {
            run_block(block.x);
            continue;
        }
        for (unsigned thread = 0; thread < block.x; thread++) {
            thread_index = {thread, 0, 0};
            which.run(arguments);
        }
    }
}

}  // namespace shim
