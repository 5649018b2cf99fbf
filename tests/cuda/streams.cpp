// Streams: each a thread with a queue, so that work really is done some time after it was asked for.

#include "streams.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <unistd.h>

namespace {

enum { CAPTURE_GLOBAL = 0, CAPTURE_THREAD_LOCAL = 1, CAPTURE_RELAXED = 2 };
enum { DISABLE_TIMING = 2, RECORD_EXTERNAL = 1 };

struct State {
    std::mutex lock;
    std::condition_variable moved;
    std::set<Stream*> streams;
};

State& state() {
    static State* state = new State;
    return *state;
}

using Lock = std::unique_lock<std::mutex>;

void work_on(Stream* stream) {
    Lock lock(state().lock);
    for (;;) {
        state().moved.wait(lock, [&] { return stream->ended || !stream->queue.empty(); });
        if (stream->queue.empty()) {
            return;
        }
        const std::function<void()> work = stream->queue.front();
        lock.unlock();
        while (settings().hang && !is_lost()) {
            usleep(200);
        }
        if (!is_lost()) {
            work();
        }
        lock.lock();
        stream->queue.pop_front();
        state().moved.notify_all();
    }
}

Stream* made(unsigned flags) {
    Stream* stream = new Stream;
    stream->kind = Handle::STREAM;
    stream->flags = flags;
    Lock lock(state().lock);
    state().streams.insert(stream);
    std::thread(work_on, stream).detach();
    return stream;
}

// 0, 1 and 2 stand for the default stream.
Stream* stream_of(Stream* handle, const char* function) {
    static Stream* const standard = made(0);
    return (uintptr_t)handle <= 2 ? standard : alive(handle, Handle::STREAM, function);
}

void wait_until_idle(Lock& lock, Stream* stream) {
    state().moved.wait(lock, [&] { return stream->queue.empty() || is_lost(); });
}

int add_node(Stream* stream, NodeType type, std::function<void()> work, Event* event = nullptr) {
    Node* node = new Node;
    node->kind = Handle::NODE;
    node->type = type;
    node->work = std::move(work);
    node->event = event;
    stream->capture->nodes.push_back(node);
    return SUCCESS;
}

void push(Stream* stream, std::function<void()> work) {
    stream->queue.push_back(std::move(work));
    state().moved.notify_all();
}

void complete(Event* event, uint64_t recorded) {
    Lock lock(state().lock);
    event->completed = recorded;
    event->at = std::chrono::steady_clock::now();
    state().moved.notify_all();
}

// A call on a stream that is being captured and cannot be.
int spoil(Stream* stream) {
    stream->spoilt = true;
    return STREAM_CAPTURE_UNSUPPORTED;
}

int record(Event* event, Stream* stream, unsigned flags) {
    Lock lock(state().lock);
    if (!stream->capture) {
        event->captured = false;
        const uint64_t recorded = ++event->recorded;
        push(stream, [=] { complete(event, recorded); });
        return SUCCESS;
    }
    if (stream->spoilt) {
        return STREAM_CAPTURE_INVALIDATED;
    }
    event->captured = flags != RECORD_EXTERNAL;
    return event->captured ? (int)SUCCESS : add_node(stream, NODE_EVENT_RECORD, {}, event);
}

// SUCCESS where the event may be asked for.
int may_ask(const Event* event) {
    if (const int spoilt = spoils_capture(STREAM_CAPTURE_UNSUPPORTED)) {
        return spoilt;
    }
    Lock lock(state().lock);
    return event->captured ? CAPTURED_EVENT : SUCCESS;
}

}  // namespace

int submit(Stream* handle, NodeType type, std::function<void()> work) {
    Stream* stream = stream_of(handle, "work on a stream");
    Lock lock(state().lock);
    if (stream->spoilt) {
        return STREAM_CAPTURE_INVALIDATED;
    }
    if (stream->capture) {
        return add_node(stream, type, std::move(work));
    }
    push(stream, std::move(work));
    return SUCCESS;
}

int spoils_capture(int error) {
    Lock lock(state().lock);
    int answer = SUCCESS;
    for (Stream* stream : state().streams) {
        const bool own = stream->capturer == std::this_thread::get_id();
        if (stream->capture && (stream->mode == CAPTURE_GLOBAL || (stream->mode == CAPTURE_THREAD_LOCAL && own))) {
            stream->spoilt = true;
            answer = error;
        }
    }
    return answer;
}

void wait_for_all() {
    Lock lock(state().lock);
    const std::set<Stream*> streams = state().streams;
    for (Stream* stream : streams) {
        wait_until_idle(lock, stream);
    }
}

API cuStreamCreate(Stream** stream, unsigned flags) {
    return enter(__func__, CONTEXT, [&] { return *stream = made(flags), SUCCESS; });
}

API cuStreamCreateWithPriority(Stream** stream, unsigned flags, int) {
    return enter(__func__, CONTEXT, [&] { return *stream = made(flags), SUCCESS; });
}

// What is queued is still done.
API cuStreamDestroy_v2(Stream* stream) {
    return enter(__func__, CONTEXT, [&] {
        alive(stream, Handle::STREAM, "cuStreamDestroy_v2");
        Lock lock(state().lock);
        state().streams.erase(stream);
        stream->kind = Handle::DEAD;
        stream->ended = true;
        state().moved.notify_all();
        return SUCCESS;
    });
}

API cuStreamSynchronize(Stream* handle) {
    return enter(__func__, CONTEXT, [&] {
        Stream* stream = stream_of(handle, "cuStreamSynchronize");
        Lock lock(state().lock);
        if (stream->capture) {
            return spoil(stream);
        }
        wait_until_idle(lock, stream);
        lock.unlock();
        return admitted("cuStreamSynchronize, when it comes back");
    });
}

API cuStreamQuery(Stream* handle) {
    return enter(__func__, CONTEXT, [&] {
        Stream* stream = stream_of(handle, "cuStreamQuery");
        Lock lock(state().lock);
        return stream->capture ? spoil(stream) : stream->queue.empty() ? (int)SUCCESS : (int)NOT_READY;
    });
}

API cuStreamWaitEvent(Stream* handle, Event* event, unsigned) {
    return enter(__func__, CONTEXT, [&] {
        Stream* stream = stream_of(handle, "cuStreamWaitEvent");
        alive(event, Handle::EVENT, "cuStreamWaitEvent");
        Lock lock(state().lock);
        if (stream->capture || event->captured) {
            return (int)NOT_SUPPORTED;
        }
        const uint64_t recorded = event->recorded;
        push(stream, [=] {
            Lock lock(state().lock);
            state().moved.wait(lock, [&] { return event->completed >= recorded || is_lost(); });
        });
        return (int)SUCCESS;
    });
}

API cuStreamBeginCapture_v2(Stream* handle, int mode) {
    return enter(__func__, CONTEXT, [&] {
        if ((uintptr_t)handle <= 2) {
            return (int)STREAM_CAPTURE_UNSUPPORTED;
        }
        Stream* stream = alive(handle, Handle::STREAM, "cuStreamBeginCapture_v2");
        Lock lock(state().lock);
        if (stream->capture || mode < CAPTURE_GLOBAL || mode > CAPTURE_RELAXED) {
            return (int)INVALID_VALUE;
        }
        stream->capture = new Graph;
        stream->capture->kind = Handle::GRAPH;
        stream->mode = mode;
        stream->capturer = std::this_thread::get_id();
        return (int)SUCCESS;
    });
}

API cuStreamEndCapture(Stream* handle, Graph** graph) {
    return enter(__func__, CONTEXT, [&] {
        Stream* stream = stream_of(handle, "cuStreamEndCapture");
        Lock lock(state().lock);
        *graph = nullptr;
        if (!stream->capture) {
            return (int)INVALID_VALUE;
        }
        if (stream->mode != CAPTURE_RELAXED && stream->capturer != std::this_thread::get_id()) {
            return (int)STREAM_CAPTURE_WRONG_THREAD;
        }
        const bool spoilt = stream->spoilt;
        *graph = spoilt ? nullptr : stream->capture;
        stream->capture = nullptr;
        stream->spoilt = false;
        return (int)(spoilt ? STREAM_CAPTURE_INVALIDATED : SUCCESS);
    });
}

API cuStreamIsCapturing(Stream* handle, int* status) {
    return enter(__func__, CONTEXT, [&] {
        Stream* stream = stream_of(handle, "cuStreamIsCapturing");
        Lock lock(state().lock);
        *status = !stream->capture ? 0 : stream->spoilt ? 2 : 1;
        return SUCCESS;
    });
}

API cuEventCreate(Event** event, unsigned flags) {
    return enter(__func__, CONTEXT, [&] {
        *event = new Event;
        (*event)->kind = Handle::EVENT;
        (*event)->flags = flags;
        return SUCCESS;
    });
}

API cuEventDestroy_v2(Event* event) {
    return enter(__func__, CONTEXT, [&] {
        alive(event, Handle::EVENT, "cuEventDestroy_v2")->kind = Handle::DEAD;
        return SUCCESS;
    });
}

API cuEventRecord(Event* event, Stream* stream) {
    return enter(__func__, CONTEXT, [&] {
        return record(alive(event, Handle::EVENT, "cuEventRecord"), stream_of(stream, "cuEventRecord"), 0);
    });
}

API cuEventRecordWithFlags(Event* event, Stream* stream, unsigned flags) {
    return enter(__func__, CONTEXT, [&] {
        return record(alive(event, Handle::EVENT, "cuEventRecordWithFlags"), stream_of(stream, "cuEventRecordWithFlags"), flags);
    });
}

API cuEventQuery(Event* event) {
    return enter(__func__, CONTEXT, [&] {
        if (const int refused = may_ask(alive(event, Handle::EVENT, "cuEventQuery"))) {
            return refused;
        }
        Lock lock(state().lock);
        return (int)(event->completed >= event->recorded ? SUCCESS : NOT_READY);
    });
}

API cuEventSynchronize(Event* event) {
    return enter(__func__, CONTEXT, [&] {
        if (const int refused = may_ask(alive(event, Handle::EVENT, "cuEventSynchronize"))) {
            return refused;
        }
        Lock lock(state().lock);
        state().moved.wait(lock, [&] { return event->completed >= event->recorded || is_lost(); });
        lock.unlock();
        return admitted("cuEventSynchronize, when it comes back");
    });
}

static int elapsed(float* milliseconds, Event* from, Event* to) {
    for (const Event* event : {alive(from, Handle::EVENT, "cuEventElapsedTime"), alive(to, Handle::EVENT, "cuEventElapsedTime")}) {
        Lock lock(state().lock);
        if (event->recorded == 0 || event->flags & DISABLE_TIMING) {
            return INVALID_HANDLE;
        }
        if (event->completed < event->recorded) {
            return NOT_READY;
        }
    }
    *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
    return SUCCESS;
}

API cuEventElapsedTime(float* milliseconds, Event* from, Event* to) {
    return enter(__func__, CONTEXT, [&] { return elapsed(milliseconds, from, to); });
}

API cuEventElapsedTime_v2(float* milliseconds, Event* from, Event* to) {
    return enter(__func__, CONTEXT, [&] { return elapsed(milliseconds, from, to); });
}

API cuGraphGetNodes(Graph* graph, Node** nodes, size_t* count) {
    return enter(__func__, CONTEXT, [&] {
        const std::vector<Node*>& all = alive(graph, Handle::GRAPH, "cuGraphGetNodes")->nodes;
        for (size_t at = 0; nodes && at < *count; at++) {
            nodes[at] = at < all.size() ? all[at] : nullptr;
        }
        *count = nodes && *count < all.size() ? *count : all.size();
        return SUCCESS;
    });
}

API cuGraphNodeGetType(Node* node, int* type) {
    return enter(__func__, CONTEXT, [&] { return *type = alive(node, Handle::NODE, "cuGraphNodeGetType")->type, SUCCESS; });
}

API cuGraphInstantiateWithFlags(Executable** executable, Graph* graph, unsigned long long) {
    return enter(__func__, CONTEXT, [&] {
        alive(graph, Handle::GRAPH, "cuGraphInstantiateWithFlags");
        *executable = new Executable;
        (*executable)->kind = Handle::EXECUTABLE;
        (*executable)->nodes = std::make_shared<std::vector<Node*>>(graph->nodes);
        return SUCCESS;
    });
}

API cuGraphUpload(Executable* executable, Stream* stream) {
    return enter(__func__, CONTEXT, [&] {
        alive(executable, Handle::EXECUTABLE, "cuGraphUpload");
        stream_of(stream, "cuGraphUpload");
        return SUCCESS;
    });
}

API cuGraphLaunch(Executable* executable, Stream* handle) {
    return enter(__func__, CONTEXT, [&] {
        const auto nodes = alive(executable, Handle::EXECUTABLE, "cuGraphLaunch")->nodes;
        Stream* stream = stream_of(handle, "cuGraphLaunch");
        Lock lock(state().lock);
        if (stream->capture) {
            stream->spoilt = true;
            return (int)NOT_SUPPORTED;
        }
        for (Node* node : *nodes) {
            if (Event* event = node->event) {
                const uint64_t recorded = ++event->recorded;
                event->captured = false;
                push(stream, [=] { complete(event, recorded); });
            } else {
                push(stream, [=] { node->work(); });
            }
        }
        return (int)SUCCESS;
    });
}

// Nodes stay: a launch may still be under way.
API cuGraphExecDestroy(Executable* executable) {
    return enter(__func__, CONTEXT, [&] {
        alive(executable, Handle::EXECUTABLE, "cuGraphExecDestroy")->kind = Handle::DEAD;
        return SUCCESS;
    });
}

API cuGraphDestroy(Graph* graph) {
    return enter(__func__, CONTEXT, [&] {
        alive(graph, Handle::GRAPH, "cuGraphDestroy")->kind = Handle::DEAD;
        return SUCCESS;
    });
}
