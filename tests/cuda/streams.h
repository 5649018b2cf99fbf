// Streams, events and graphs from the inside.
#pragma once

#include "driver.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

// What every handle begins with. Handles are never given back to the host's allocator, so a
// destroyed one is told from a living one.
struct Handle {
    enum Kind : uint64_t { DEAD = 0xdead, STREAM = 0x57, EVENT, GRAPH, EXECUTABLE, NODE, MODULE, FUNCTION } kind;
};

// Ends the process unless the handle is a living one of the kind.
template <class T>
T* alive(T* handle, Handle::Kind kind, const char* function) {
    if (handle == nullptr || handle->kind != kind) {
        wrong("%s: %p is %s", function, (void*)handle, handle && handle->kind == Handle::DEAD ? "destroyed" : "no such handle");
    }
    return handle;
}

struct Event : Handle {
    unsigned flags = 0;
    bool captured = false;  // last recorded in a capture, so it says nothing by itself
    uint64_t recorded = 0, completed = 0;
    std::chrono::steady_clock::time_point at;
};

struct Node : Handle {
    NodeType type;
    std::function<void()> work;
    Event* event = nullptr;
};

struct Graph : Handle {
    std::vector<Node*> nodes;
};

struct Executable : Handle {
    std::shared_ptr<std::vector<Node*>> nodes;
};

struct Stream : Handle {
    unsigned flags = 0;
    std::deque<std::function<void()>> queue;  // its first is being worked on
    bool ended = false;
    Graph* capture = nullptr;
    int mode = 0;
    std::thread::id capturer;
    bool spoilt = false;
};

// All streams. Never destroyed: they may still run while the process ends.
struct Streams {
    std::mutex lock;
    std::condition_variable moved;
    std::set<Stream*> streams;
};

Streams& streams();

using Lock = std::unique_lock<std::mutex>;

// 0, 1 and 2 stand for the default stream.
Stream* stream_of(Stream* handle, const char* function);
// The next two want the lock.
void push(Stream* stream, std::function<void()> work);
int add_node(Stream* stream, NodeType type, std::function<void()> work, Event* event = nullptr);
