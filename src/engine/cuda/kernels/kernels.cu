// All kernels as one unit, and how the host launches them.
//
//   kernel         threads             grid                                         dynamic shared bytes
//   assemble       up to 256           any                                          0
//   walk           up to 256           rows / row_tile, trees / tree_tile           0, or 4 row_tile width
//   walk_resident  up to 256           rows / row_tile, groups                      8 for each node of the largest
//                                                                                   group, or 4 row_tile width more
//   walk_wide      up to 256           rows / row_tile, trees / tree_tile           0
//   finish         up to 256           rows / row_tile                              0
//   network        up to 256, warps    rows / row_tile                              8 row_tile widest
//   dense          256                 rows / DENSE_ROWS, outputs / DENSE_OUTPUTS   0
//   softmax_rows   up to 256, warps    any                                          0
//
// Rows are those of the capacity, quotients are rounded up, `warps` are multiples of 32 threads. Every
// array begins where 16 bytes do.
//
// NVRTC compiles this for every architecture (interop/cuda_images.py) with --fmad=false: a fused
// multiply-add is one only where it is asked for, as in the CPU's code.
#include "rows.cuh"

#include "walk.cuh"

#include "wide.cuh"

#include "finish.cuh"

#include "dense.cuh"

#include "network.cuh"
