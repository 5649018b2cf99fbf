// Streams: each a thread with a queue, so that work really is done some time after it was asked for.

#include "streams.h"

#include <unistd.h>

namespace {

enum { CAPTURE_GLOBAL = 0, CAPTURE_THREAD_LOCAL = 1, CAPTURE_RELAXED = 2 };

void work_on(Stream* stream) {
    Lock lock(streams().lock);
    for (;;) {
        streams().moved.wait(lock, [&] { return stream->ended || !stream->queue.empty(); });
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
        streams().moved.notify_all();
    }
}

Stream* made(unsigned flags) {
    Stream* stream = new Stream;
    stream->kind = Handle::STREAM;
    stream->flags = flags;
    Lock lock(streams().lock);
    streams().streams.insert(stream);
    std::thread(work_on, stream).detach();
    return stream;
}

void wait_until_idle(Lock& lock, Stream* stream) {
    streams().moved.wait(lock, [&] { return stream->queue.empty() || is_lost(); });
}

// A call on a stream that is being captured and cannot be.
int spoil(Stream* stream) {
    stream->spoilt = true;
    return STREAM_CAPTURE_UNSUPPORTED;
}

}  // namespace

Streams& streams() {
    static Streams* streams = new Streams;
    return *streams;
}

Stream* stream_of(Stream* handle, const char* function) {
    static Stream* const standard = made(0);
    return (uintptr_t)handle <= 2 ? standard : alive(handle, Handle::STREAM, function);
}

int add_node(Stream* stream, NodeType type, std::function<void()> work, Event* event) {
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
    streams().moved.notify_all();
}

int submit(Stream* handle, NodeType type, std::function<void()> work) {
    Stream* stream = stream_of(handle, "work on a stream");
    Lock lock(streams().lock);
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
    Lock lock(streams().lock);
    int answer = SUCCESS;
    for (Stream* stream : streams().streams) {
        const bool own = stream->capturer == std::this_thread::get_id();
        if (stream->capture && (stream->mode == CAPTURE_GLOBAL || (stream->mode == CAPTURE_THREAD_LOCAL && own))) {
            stream->spoilt = true;
            answer = error;
        }
    }
    return answer;
}

void wait_for_all() {
    Lock lock(streams().lock);
    const std::set<Stream*> all = streams().streams;
    for (Stream* stream : all) {
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
        Lock lock(streams().lock);
        streams().streams.erase(stream);
        stream->kind = Handle::DEAD;
        stream->ended = true;
        streams().moved.notify_all();
        return SUCCESS;
    });
}

API cuStreamSynchronize(Stream* handle) {
    return enter(__func__, CONTEXT, [&] {
        Stream* stream = stream_of(handle, "cuStreamSynchronize");
        Lock lock(streams().lock);
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
        Lock lock(streams().lock);
        return stream->capture ? spoil(stream) : stream->queue.empty() ? (int)SUCCESS : (int)NOT_READY;
    });
}

API cuStreamWaitEvent(Stream* handle, Event* event, unsigned) {
    return enter(__func__, CONTEXT, [&] {
        Stream* stream = stream_of(handle, "cuStreamWaitEvent");
        alive(event, Handle::EVENT, "cuStreamWaitEvent");
        Lock lock(streams().lock);
        if (stream->capture || event->captured) {
            return (int)NOT_SUPPORTED;
        }
        const uint64_t recorded = event->recorded;
        push(stream, [=] {
            Lock lock(streams().lock);
            streams().moved.wait(lock, [&] { return event->completed >= recorded || is_lost(); });
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
        Lock lock(streams().lock);
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
        Lock lock(streams().lock);
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
        Lock lock(streams().lock);
        *status = !stream->capture ? 0 : stream->spoilt ? 2 : 1;
        return SUCCESS;
    });
}
