// Events and graphs: what streams pass on the way, and what they were recorded to do.

#include "streams.h"

namespace {

enum { DISABLE_TIMING = 2, RECORD_EXTERNAL = 1 };

void complete(Event* event, uint64_t recorded) {
    Lock lock(streams().lock);
    event->completed = recorded;
    event->at = std::chrono::steady_clock::now();
    streams().moved.notify_all();
}

int record(Event* event, Stream* stream, unsigned flags) {
    Lock lock(streams().lock);
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
    Lock lock(streams().lock);
    return event->captured ? CAPTURED_EVENT : SUCCESS;
}

}  // namespace

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
        Lock lock(streams().lock);
        return (int)(event->completed >= event->recorded ? SUCCESS : NOT_READY);
    });
}

API cuEventSynchronize(Event* event) {
    return enter(__func__, CONTEXT, [&] {
        if (const int refused = may_ask(alive(event, Handle::EVENT, "cuEventSynchronize"))) {
            return refused;
        }
        Lock lock(streams().lock);
        streams().moved.wait(lock, [&] { return event->completed >= event->recorded || is_lost(); });
        lock.unlock();
        return admitted("cuEventSynchronize, when it comes back");
    });
}

static int elapsed(float* milliseconds, Event* from, Event* to) {
    for (const Event* event : {alive(from, Handle::EVENT, "cuEventElapsedTime"), alive(to, Handle::EVENT, "cuEventElapsedTime")}) {
        Lock lock(streams().lock);
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
        Lock lock(streams().lock);
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
