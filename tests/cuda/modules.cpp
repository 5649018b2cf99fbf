// Kernel images, and launches.
//
// An image is looked at as a driver would, its machine code is not: the kernel that runs is the one
// of the same name that the host's compiler built.

#include "streams.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace {

struct Module : Handle {
    std::string image;
    bool text;
};

struct Function : Handle {
    const Kernel* kernel;
    size_t most_dynamic;
    int binary;
};

constexpr size_t SHARED = 48 * 1024;

// Bytes of an ELF file, as its header says where its last table ends.
size_t elf_bytes(const unsigned char* image) {
    uint64_t sections, segments;
    uint16_t segment_bytes, segment_count, section_bytes, section_count;
    memcpy(&segments, image + 0x20, 8);
    memcpy(&sections, image + 0x28, 8);
    memcpy(&segment_bytes, image + 0x36, 2);
    memcpy(&segment_count, image + 0x38, 2);
    memcpy(&section_bytes, image + 0x3a, 2);
    memcpy(&section_count, image + 0x3c, 2);
    const uint64_t one = sections + (uint64_t)section_bytes * section_count;
    const uint64_t other = segments + (uint64_t)segment_bytes * segment_count;
    return one > other ? one : other;
}

// The architecture that a cubin is for, times ten; 0 if it is no cubin.
int architecture(const unsigned char* image) {
    uint16_t machine;
    uint32_t flags;
    memcpy(&machine, image + 18, 2);
    memcpy(&flags, image + 48, 4);
    if (machine != 190) {
        return 0;
    }
    return image[8] >= 8 ? flags >> 8 & 0xffff : flags & 0xff;
}

// A cubin runs on devices of its own major version, from its own minor version on.
int check_cubin(int architecture) {
    const Settings s = settings();
    if (architecture == 0) {
        return INVALID_IMAGE;
    }
    return architecture / 10 == s.major && architecture % 10 <= s.minor ? SUCCESS : NO_BINARY_FOR_GPU;
}

// The driver compiles what is not newer than itself, for devices that are not older.
int check_ptx(const std::string& text) {
    const Settings s = settings();
    const size_t version = text.find(".version "), target = text.find(".target sm_");
    int major = 0, minor = 0, least = 0;
    if (version == std::string::npos || target == std::string::npos ||
        sscanf(text.c_str() + version, ".version %d.%d", &major, &minor) != 2 ||
        sscanf(text.c_str() + target, ".target sm_%d", &least) != 1) {
        return INVALID_IMAGE;
    }
    // CUDA 12.0 brought PTX 8.0, and each release after it the next, but 12.6 to 12.8: 8.5, 8.6, 8.7.
    const int release = s.driver % 1000 / 10, newest = s.driver >= 13000 ? 90 : 80 + (release >= 6 ? release - 1 : release);
    if (major * 10 + minor > newest) {
        return UNSUPPORTED_PTX_VERSION;
    }
    return least <= s.major * 10 + s.minor ? SUCCESS : NO_BINARY_FOR_GPU;
}

int load(Module** module, const void* image) {
    if (const int spoilt = spoils_capture(STREAM_CAPTURE_UNSUPPORTED)) {
        return spoilt;
    }
    const unsigned char* bytes = static_cast<const unsigned char*>(image);
    const bool elf = memcmp(bytes, "\x7f" "ELF", 4) == 0;
    const std::string content = elf ? std::string((const char*)bytes, elf_bytes(bytes)) : std::string((const char*)bytes);
    if (const int refused = elf ? check_cubin(architecture(bytes)) : check_ptx(content)) {
        return refused;
    }
    *module = new Module{{Handle::MODULE}, content, !elf};
    return SUCCESS;
}

bool names(const Module& module, const std::string& name) {
    if (!module.text) {
        return module.image.find(".text." + name + '\0') != std::string::npos;
    }
    const size_t at = module.image.find(".entry " + name);
    return at != std::string::npos && !isalnum(module.image[at + 7 + name.size()]) && module.image[at + 7 + name.size()] != '_';
}

int check_launch(const Function& function, shim::Index grid, shim::Index block, size_t dynamic) {
    const Kernel& kernel = *function.kernel;
    const bool flat = block.y == 1 && block.z == 1 && grid.z == 1;
    if (block.x == 0 || grid.x == 0 || grid.y == 0 || grid.x > 2147483647u || grid.y > 65535 || block.x > 1024) {
        return INVALID_VALUE;
    }
    if (!flat) {
        wrong("%s: the shim knows blocks of one dimension and grids of two", kernel.name);
    }
    if (block.x > kernel.most_threads) {
        return LAUNCH_OUT_OF_RESOURCES;
    }
    return kernel.static_shared + dynamic > function.most_dynamic + kernel.static_shared ? INVALID_VALUE : SUCCESS;
}

}  // namespace

API cuModuleLoadData(Module** module, const void* image) {
    return enter(__func__, CONTEXT, [&] { return load(module, image); });
}

API cuModuleLoadDataEx(Module** module, const void* image, unsigned, int*, void**) {
    return enter(__func__, CONTEXT, [&] { return load(module, image); });
}

API cuModuleUnload(Module* module) {
    return enter(__func__, CONTEXT, [&] {
        alive(module, Handle::MODULE, "cuModuleUnload")->kind = Handle::DEAD;
        return SUCCESS;
    });
}

API cuModuleGetFunction(Function** function, Module* module, const char* name) {
    return enter(__func__, CONTEXT, [&] {
        const Kernel* kernel = kernel_named(name);
        if (!kernel || !names(*alive(module, Handle::MODULE, "cuModuleGetFunction"), name)) {
            return (int)NOT_FOUND;
        }
        const int binary = module->text ? settings().major * 10 + settings().minor
                                        : architecture((const unsigned char*)module->image.data());
        *function = new Function{{Handle::FUNCTION}, kernel, SHARED - kernel->static_shared, binary};
        return (int)SUCCESS;
    });
}

// Numbers of CUfunction_attribute.
API cuFuncGetAttribute(int* value, int which, Function* function) {
    return enter(__func__, CONTEXT, [&] {
        const Function& f = *alive(function, Handle::FUNCTION, "cuFuncGetAttribute");
        switch (which) {
            case 0: *value = (int)f.kernel->most_threads; break;
            case 1: *value = (int)f.kernel->static_shared; break;
            case 4: *value = 64; break;  // registers
            case 5: case 6: *value = f.binary; break;
            case 8: *value = (int)f.most_dynamic; break;
            default: *value = 0;  // constant and local memory
        }
        return SUCCESS;
    });
}

API cuFuncSetAttribute(Function* function, int which, int value) {
    return enter(__func__, CONTEXT, [&] {
        alive(function, Handle::FUNCTION, "cuFuncSetAttribute");
        const int most = settings().major * 10 + settings().minor == 75 ? 65536 : settings().major >= 9 ? 232448 : 101376;
        if (which == 8 && (value < 0 || value + (int)function->kernel->static_shared > most)) {
            return (int)INVALID_VALUE;
        }
        function->most_dynamic = which == 8 ? (size_t)value : function->most_dynamic;
        return (int)SUCCESS;
    });
}

API cuFuncSetCacheConfig(Function* function, int) {
    return enter(__func__, CONTEXT, [&] { return alive(function, Handle::FUNCTION, "cuFuncSetCacheConfig"), SUCCESS; });
}

static int blocks_at_once(int* blocks, Function* function, int threads, size_t dynamic) {
    const Kernel& kernel = *alive(function, Handle::FUNCTION, "cuOccupancyMaxActiveBlocksPerMultiprocessor")->kernel;
    const size_t shared = kernel.static_shared + dynamic, by_shared = shared ? 233472 / shared : 32;
    *blocks = threads > 0 ? (int)std::min<size_t>({32, 2048u / (unsigned)threads, by_shared}) : 0;
    return threads > 0 ? SUCCESS : INVALID_VALUE;
}

API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function* function, int threads, size_t dynamic) {
    return enter(__func__, CONTEXT, [&] { return blocks_at_once(blocks, function, threads, dynamic); });
}

API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, Function* function, int threads, size_t dynamic, unsigned) {
    return enter(__func__, CONTEXT, [&] { return blocks_at_once(blocks, function, threads, dynamic); });
}

API cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned dynamic, Stream* stream, void** parameters, void** extra) {
    return enter(__func__, CONTEXT, [&] {
        const shim::Index grid = {grid_x, grid_y, grid_z}, block = {block_x, block_y, block_z};
        const Kernel* kernel = alive(function, Handle::FUNCTION, "cuLaunchKernel")->kernel;
        if (!parameters || extra) {
            return (int)INVALID_VALUE;
        }
        if (const int refused = check_launch(*function, grid, block, dynamic)) {
            return refused;
        }
        // Copied now, as the real one does: the caller may change them at once.
        const std::string arguments(static_cast<const char*>(parameters[0]), kernel->parameter_bytes);
        return submit(stream, NODE_KERNEL, [=] {
            if (const long delay = settings().delay_us) {
                usleep((useconds_t)delay);
            }
            if (kernel_survives(kernel->name)) {
                alignas(16) char copy[1024];
                memcpy(copy, arguments.data(), arguments.size());
                shim::launch(*kernel, copy, grid, block, dynamic);
            }
        });
    });
}
