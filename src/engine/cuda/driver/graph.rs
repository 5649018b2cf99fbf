//! Streams, events, and launches recorded once to be repeated.

use super::context::Context;
use super::error::{CudaError, Gate};
use super::memory::{DeviceMemory, Pinned};
use cudarc::driver::sys::{
    self, CUevent, CUgraph, CUgraphExec, CUgraphNodeType as Kind, CUstream, CUstreamCaptureMode as Mode,
};
use std::ffi::c_void;
use std::ptr;

/// Work in order, beside that of other streams.
pub struct Stream {
    gate: Gate,
    stream: CUstream,
}

const NON_BLOCKING: u32 = 1;

impl Stream {
    pub fn new(context: &Context) -> Result<Self, CudaError> {
        let (gate, mut stream) = (context.gate().clone(), ptr::null_mut());
        // SAFETY: the driver writes one handle.
        gate.call("cuStreamCreate", || unsafe { sys::cuStreamCreate(&mut stream, NON_BLOCKING) })?;
        Ok(Self { gate, stream })
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn raw(&self) -> CUstream {
        self.stream
    }

    /// Copies the first bytes of the host's memory to the device's.
    pub fn copy_in(&self, to: &DeviceMemory, from: &Pinned, bytes: usize) -> Result<(), CudaError> {
        let bytes = bytes.min(from.bytes()).min(to.bytes());
        // SAFETY: both have as many bytes, and outlive what is recorded: a slot owns them and its graphs.
        self.gate.call("cuMemcpyHtoDAsync", || unsafe {
            sys::cuMemcpyHtoDAsync_v2(to.address(), from.start(), bytes, self.stream)
        })
    }

    /// Copies the first bytes of the device's memory to `at` in the host's.
    pub fn copy_out(&self, to: &Pinned, at: usize, from: &DeviceMemory, bytes: usize) -> Result<(), CudaError> {
        let bytes = bytes.min(from.bytes()).min(to.bytes().saturating_sub(at));
        // SAFETY: as above; `at` and what follows lie inside.
        self.gate.call("cuMemcpyDtoHAsync", || unsafe {
            let to = to.start().cast::<u8>().add(at).cast::<c_void>();
            sys::cuMemcpyDtoHAsync_v2(to, from.address(), bytes, self.stream)
        })
    }

    /// Waits for all that is in the stream: at load, never for a request.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        // SAFETY: the stream is ours.
        self.gate.call("cuStreamSynchronize", || unsafe { sys::cuStreamSynchronize(self.stream) })
    }

    /// Records what `work` puts into the stream instead of running it.
    pub fn record(&self, work: impl FnOnce() -> Result<(), CudaError>) -> Result<Graph, CudaError> {
        let mode = Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is ours.
        self.gate.call("cuStreamBeginCapture", || unsafe { sys::cuStreamBeginCapture_v2(self.stream, mode) })?;
        let done = work();
        let mut graph: CUgraph = ptr::null_mut();
        // SAFETY: the driver writes one handle. A capture is ended whatever became of the work.
        let ended =
            self.gate.call("cuStreamEndCapture", || unsafe { sys::cuStreamEndCapture(self.stream, &mut graph) });
        if graph.is_null() {
            return done.and(ended).and(Err(CudaError::Useless("a recording came to nothing")));
        }
        let recorded = done.and(ended).and_then(|()| self.instantiate(graph));
        // SAFETY: what was instantiated does not need the graph.
        let _ = self.gate.call("cuGraphDestroy", || unsafe { sys::cuGraphDestroy(graph) });
        recorded
    }

    fn instantiate(&self, graph: CUgraph) -> Result<Graph, CudaError> {
        self.refuse_allocations(graph)?;
        let mut exec: CUgraphExec = ptr::null_mut();
        // SAFETY: the driver writes one handle.
        self.gate.call("cuGraphInstantiate", || unsafe { sys::cuGraphInstantiateWithFlags(&mut exec, graph, 0) })?;
        let graph = Graph { gate: self.gate.clone(), exec };
        // SAFETY: both are ours.
        self.gate.call("cuGraphUpload", || unsafe { sys::cuGraphUpload(graph.exec, self.stream) })?;
        Ok(graph)
    }

    /// A graph with memory nodes could be launched once only.
    fn refuse_allocations(&self, graph: CUgraph) -> Result<(), CudaError> {
        let mut count = 0;
        // SAFETY: without an array the driver writes the number of nodes.
        self.gate.call("cuGraphGetNodes", || unsafe { sys::cuGraphGetNodes(graph, ptr::null_mut(), &mut count) })?;
        let mut nodes = vec![ptr::null_mut(); count];
        // SAFETY: there is room for as many as there are.
        self.gate.call("cuGraphGetNodes", || unsafe { sys::cuGraphGetNodes(graph, nodes.as_mut_ptr(), &mut count) })?;
        for node in nodes.into_iter().take(count) {
            let mut kind = Kind::CU_GRAPH_NODE_TYPE_EMPTY;
            // SAFETY: the driver writes one number.
            self.gate.call("cuGraphNodeGetType", || unsafe { sys::cuGraphNodeGetType(node, &mut kind) })?;
            if matches!(kind, Kind::CU_GRAPH_NODE_TYPE_MEM_ALLOC | Kind::CU_GRAPH_NODE_TYPE_MEM_FREE) {
                return Err(CudaError::Useless("a recording holds allocations, and could be launched once only"));
            }
        }
        Ok(())
    }

    pub fn launch_graph(&self, graph: &Graph) -> Result<(), CudaError> {
        // SAFETY: both are ours, and the graph is in flight at most once: its slot is.
        self.gate.call("cuGraphLaunch", || unsafe { sys::cuGraphLaunch(graph.exec, self.stream) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: made once, let go once.
        let _ = self.gate.call("cuStreamDestroy", || unsafe { sys::cuStreamDestroy_v2(self.stream) });
    }
}

/// Launches and copies, recorded.
pub struct Graph {
    gate: Gate,
    exec: CUgraphExec,
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: made once, let go once.
        let _ = self.gate.call("cuGraphExecDestroy", || unsafe { sys::cuGraphExecDestroy(self.exec) });
    }
}

/// A mark in a stream.
pub struct Event {
    gate: Gate,
    event: CUevent,
}

impl Event {
    /// An event that can tell times.
    pub fn new(context: &Context) -> Result<Self, CudaError> {
        let (gate, mut event) = (context.gate().clone(), ptr::null_mut());
        // SAFETY: the driver writes one handle.
        gate.call("cuEventCreate", || unsafe { sys::cuEventCreate(&mut event, 0) })?;
        Ok(Self { gate, event })
    }

    pub fn record(&self, stream: &Stream) -> Result<(), CudaError> {
        // SAFETY: both are ours.
        self.gate.call("cuEventRecord", || unsafe { sys::cuEventRecord(self.event, stream.stream) })
    }

    /// Whether the stream has come this far.
    pub fn is_done(&self) -> Result<bool, CudaError> {
        // SAFETY: the event is ours.
        self.gate.ask("cuEventQuery", || unsafe { sys::cuEventQuery(self.event) })
    }

    /// Milliseconds of the device between two events that are done.
    pub fn milliseconds_since(&self, earlier: &Self) -> Result<f32, CudaError> {
        let mut milliseconds = 0.0;
        // SAFETY: the driver writes one number.
        self.gate.call("cuEventElapsedTime", || unsafe {
            sys::cuEventElapsedTime(&mut milliseconds, earlier.event, self.event)
        })?;
        Ok(milliseconds)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made once, let go once.
        let _ = self.gate.call("cuEventDestroy", || unsafe { sys::cuEventDestroy_v2(self.event) });
    }
}
