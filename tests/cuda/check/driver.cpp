// The fake driver itself: work that comes later, captures, memory that runs out.

#include "device.h"

void check_driver() {
    void *stream, *event, *pinned;
    OK(cuStreamCreate(&stream, 1));
    OK(cuEventCreate(&event, 2));
    OK(cuMemHostAlloc(&pinned, 64, 0));
    u32* numbers = static_cast<u32*>(pinned);
    Array<u32> there(std::vector<u32>(16, 7));
    // Recorded, not done; then done as often as asked for.
    void *graph, *executable, *nodes[4];
    OK(cuStreamBeginCapture_v2(stream, 1));
    OK(cuMemcpyHtoDAsync_v2(there.at, numbers, 32, stream));
    OK(cuMemcpyDtoHAsync_v2(numbers + 8, there.at, 32, stream));
    OK(cuStreamEndCapture(stream, &graph));
    size_t count = 4;
    int type;
    OK(cuGraphGetNodes(graph, nodes, &count));
    OK(cuGraphNodeGetType(nodes[1], &type));
    REQUIRE(count == 2 && type == 1, "%zu nodes, the second of type %d", count, type);
    REQUIRE(there.read()[0] == 7, "a captured copy was done");
    OK(cuGraphInstantiateWithFlags(&executable, graph, 0));
    for (u32 i = 0; i < 3; i++) {
        numbers[0] = 40 + i;
        OK(cuGraphLaunch(executable, stream));
        OK(cuEventRecord(event, stream));
        int state;
        while ((state = cuEventQuery(event)) == 600) {
        }
        REQUIRE(state == 0 && numbers[8] == 40 + i, "%d, %u", state, numbers[8]);
    }
    // What waits for the device spoils a capture.
    OK(cuStreamBeginCapture_v2(stream, 1));
    REQUIRE(cuStreamSynchronize(stream) == 900, "a captured stream was waited for");
    REQUIRE(cuMemcpyHtoDAsync_v2(there.at, numbers, 32, stream) == 901, "a spoilt capture went on");
    REQUIRE(cuStreamEndCapture(stream, &graph) == 901 && graph == nullptr, "a spoilt capture gave a graph");
    size_t free, total;
    OK(cuMemGetInfo_v2(&free, &total));
    u64 at;
    REQUIRE(cuMemAlloc_v2(&at, free + 1) == 2, "more memory than there is");
    OK(cuMemAlloc_v2(&at, 1 << 20));
    OK(cuMemFree_v2(at));
}
