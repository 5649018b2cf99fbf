// A library with the driver's name and hardly anything in it, as damaged or foreign installations have.

extern "C" __attribute__((visibility("default"))) int cuInit(unsigned) {
    return 34;  // CUDA_ERROR_STUB_LIBRARY
}
