// Loaded before everything else (LD_PRELOAD): counts what is allocated between start and stop, by the library
// that asked.
//
// The library that asked is the first on the stack that is neither this one nor one of the C and C++ runtime,
// so what our own headers and the standard library's inline into our code counts as ours, and what torch or
// OpenMM do when they are called counts as theirs. Of each place in a library the number of allocations and
// of bytes is kept.
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <malloc.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

struct Amount {
    long count = 0, bytes = 0;
};

bool counting = false;
thread_local bool inside = false;  // an allocation of the counter itself
std::mutex mutex;
std::map<void*, Amount> byPlace;

struct Range {
    const char *begin, *end;
};
std::vector<Range> runtime;  // code that allocates on behalf of others

bool isRuntime(const char* path) {
    const char* slash = strrchr(path, '/');
    const char* name = slash ? slash + 1 : path;
    for (const char* start : {"libc.so", "libstdc++", "libgcc_s", "ld-linux", "liballocation_counter"})
        if (strncmp(name, start, strlen(start)) == 0) return true;
    return false;
}

int addRanges(dl_phdr_info* object, size_t, void*) {
    if (!isRuntime(object->dlpi_name)) return 0;
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const auto& segment = object->dlpi_phdr[i];
        const char* begin = reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr);
        if (segment.p_type == PT_LOAD) runtime.push_back({begin, begin + segment.p_memsz});
    }
    return 0;
}

// dladdr would look through all symbols of torch, a millisecond each time.
bool inRuntime(const void* place) {
    for (const Range& range : runtime)
        if (range.begin <= place && place < range.end) return true;
    return false;
}

void record(size_t bytes) {
    if (!counting || inside) return;
    inside = true;
    void* frames[8];
    const int depth = backtrace(frames, 8);
    void* place = nullptr;
    for (int i = 1; i < depth && place == nullptr; ++i)
        if (!inRuntime(frames[i])) place = frames[i];
    {
        const std::lock_guard<std::mutex> lock(mutex);
        Amount& amount = byPlace[place];
        ++amount.count;
        amount.bytes += static_cast<long>(bytes);
    }
    inside = false;
}

}  // namespace

extern "C" {

void* malloc(size_t size) {
    record(size);
    return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
    record(count * size);
    return __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) {
    record(size);
    return __libc_realloc(old, size);
}

void* memalign(size_t alignment, size_t size) {
    record(size);
    return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void** out, size_t alignment, size_t size) {
    *out = memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

/// Forget what was counted, and count.
void allocation_counter_start() {
    void* frames[2];
    backtrace(frames, 2);  // its first call allocates
    inside = true;
    byPlace.clear();
    runtime.clear();
    dl_iterate_phdr(addRanges, nullptr);
    inside = false;
    counting = true;
}

/// Stop, and write a line for each place: count, bytes, library, offset in it, function.
void allocation_counter_stop(const char* path) {
    counting = false;
    FILE* file = fopen(path, "w");
    for (const auto& [place, amount] : byPlace) {
        Dl_info info{};
        dladdr(place, &info);
        const auto offset = static_cast<char*>(place) - static_cast<char*>(info.dli_fbase);
        fprintf(file, "%ld\t%ld\t%s\t%#lx\t%s\n", amount.count, amount.bytes,
                info.dli_fname ? info.dli_fname : "?", info.dli_fname ? offset : 0L,
                info.dli_sname ? info.dli_sname : "?");
    }
    fclose(file);
}

}  // extern "C"
