#include "MatmulPrecision.h"

#include <ATen/Context.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <string>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

using at::Float32Backend, at::Float32Op, at::Float32Precision;

// torch has two settings: the older one of this name, which nothing but its getter can read, and an entry for
// each backend and operation, which products go by. The older one sets the entries, but not the other way
// round, and its getter throws where an entry contradicts it.
const std::array<std::string, 3> names = {"highest", "high", "medium"};

struct Entries {
    Float32Precision cuda, mkldnn;
    bool operator==(const Entries&) const = default;
};

// The entries of matrix products under each name.
const std::array<Entries, 3> entriesOf = {{{Float32Precision::IEEE, Float32Precision::IEEE},
                                           {Float32Precision::TF32, Float32Precision::TF32},
                                           {Float32Precision::TF32, Float32Precision::BF16}}};

Float32Precision applied(Float32Backend backend, Float32Op op) {
    return at::globalContext().float32Precision(backend, op);
}

void set(Float32Backend backend, Float32Op op, Float32Precision precision) {
    at::globalContext().setFloat32Precision(backend, op, precision);
}

void setProducts(const Entries& entries) {
    set(Float32Backend::CUDA, Float32Op::MATMUL, entries.cuda);
    set(Float32Backend::MKLDNN, Float32Op::MATMUL, entries.mkldnn);
}

bool applies(MatmulPrecision precision) {
    const auto reduced = [](Float32Backend backend) {
        const Float32Precision found = applied(backend, Float32Op::MATMUL);
        const bool full = found != Float32Precision::TF32 && found != Float32Precision::BF16;
        return full ? Float32Precision::IEEE : found;
    };
    return Entries{reduced(Float32Backend::CUDA), reduced(Float32Backend::MKLDNN)} ==
           entriesOf[size_t(precision)];
}

/// The entry itself: NONE where it follows the entry above it, that of all operations or of all backends,
/// which shows only when that one changes.
Float32Precision entry(Float32Backend backend, Float32Op op) {
    const Float32Precision found = applied(backend, op);
    if (backend == Float32Backend::GENERIC || found == Float32Precision::NONE) return found;
    const Float32Backend above = op == Float32Op::ALL ? Float32Backend::GENERIC : backend;
    const Float32Precision entryAbove = entry(above, Float32Op::ALL);
    set(above, Float32Op::ALL,
        found == Float32Precision::TF32 ? Float32Precision::IEEE : Float32Precision::TF32);
    const bool follows = applied(backend, op) != found;
    set(above, Float32Op::ALL, entryAbove);
    return follows ? Float32Precision::NONE : found;
}

/// What the process asked for.
struct Setting {
    Entries entries;
    at::Float32MatmulPrecision older;
};

Setting read() {
    const Entries entries = {entry(Float32Backend::CUDA, Float32Op::MATMUL),
                             entry(Float32Backend::MKLDNN, Float32Op::MATMUL)};
    setProducts(entriesOf[size_t(MatmulPrecision::Highest)]);  // contradicts nothing
    return {entries, at::globalContext().float32MatmulPrecision()};
}

void restore(const Setting& setting) {
    at::globalContext().setFloat32MatmulPrecision(names[size_t(setting.older)]);
    setProducts(setting.entries);
}

std::mutex mutex;
std::array<int, 3> numGuards{};  // of each precision
std::optional<Setting> before;   // while it is another than what guards want

/// Makes the most precise of what guards want apply, or else what the process asked for.
void apply() {
    const auto wanted = std::ranges::find_if(numGuards, [](int count) { return count > 0; });
    if (wanted == numGuards.end()) {
        if (before) restore(*before);
        before.reset();
        return;
    }
    const auto precision = MatmulPrecision(wanted - numGuards.begin());
    if (applies(precision)) return;
    if (!before) before = read();
    at::globalContext().setFloat32MatmulPrecision(names[size_t(precision)]);
}

}  // namespace

MatmulPrecision parseMatmulPrecision(const std::string& name) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end())
        throw OpenMM::OpenMMException(
            "Card: matmul_precision is not valid; expected highest, high or medium, found '" + name +
            "'; export the model again.");
    return MatmulPrecision(found - names.begin());
}

MatmulPrecisionGuard::MatmulPrecisionGuard(MatmulPrecision wanted) : wanted_(wanted) {
    const std::lock_guard lock(mutex);
    ++numGuards[size_t(wanted_)];
    apply();
}

MatmulPrecisionGuard::~MatmulPrecisionGuard() {
    const std::lock_guard lock(mutex);
    --numGuards[size_t(wanted_)];
    apply();
}

}  // namespace ScoreDynPlugin
