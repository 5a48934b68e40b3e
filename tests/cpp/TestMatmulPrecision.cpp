// The precision of products inside and outside of a guard, whichever of torch's two settings the process
// used.

#include <ATen/Context.h>

#include <memory>
#include <stdexcept>

#include "Assertions.h"
#include "MatmulPrecision.h"

namespace {

using namespace core_tests;
using at::Float32Backend, at::Float32Op, at::Float32Precision;

at::Context& torch() { return at::globalContext(); }

Float32Precision products(Float32Backend backend) {
    return torch().float32Precision(backend, Float32Op::MATMUL);
}

bool productsAre(Float32Precision cuda, Float32Precision mkldnn) {
    return products(Float32Backend::CUDA) == cuda && products(Float32Backend::MKLDNN) == mkldnn;
}

void setEntry(Float32Backend backend, Float32Op op, Float32Precision precision) {
    torch().setFloat32Precision(backend, op, precision);
}

/// As a process starts: no entry says anything.
void reset() {
    torch().setFloat32MatmulPrecision("highest");
    for (const auto backend : {Float32Backend::CUDA, Float32Backend::MKLDNN})
        for (const auto op : {Float32Op::MATMUL, Float32Op::ALL})
            setEntry(backend, op, Float32Precision::NONE);
    setEntry(Float32Backend::GENERIC, Float32Op::ALL, Float32Precision::NONE);
}

void testNames() {
    ASSERT(parseMatmulPrecision("highest") == MatmulPrecision::Highest);
    ASSERT(parseMatmulPrecision("high") == MatmulPrecision::High);
    ASSERT(parseMatmulPrecision("medium") == MatmulPrecision::Medium);
    assertThrows([] { parseMatmulPrecision("low"); },
                 "expected highest, high or medium, found 'low'; export the model again.");
}

/// Every precision inside of every other.
void testOlderSetting() {
    const std::string names[] = {"highest", "high", "medium"};
    for (int process = 0; process < 3; ++process)
        for (int wanted = 0; wanted < 3; ++wanted) {
            torch().setFloat32MatmulPrecision(names[wanted]);
            const auto cuda = products(Float32Backend::CUDA), mkldnn = products(Float32Backend::MKLDNN);
            torch().setFloat32MatmulPrecision(names[process]);
            const auto cudaBefore = products(Float32Backend::CUDA),
                       mkldnnBefore = products(Float32Backend::MKLDNN);
            {
                const MatmulPrecisionGuard guard{MatmulPrecision(wanted)};
                ASSERT(productsAre(cuda, mkldnn));
                ASSERT(int(torch().float32MatmulPrecision()) == wanted);
            }
            ASSERT(productsAre(cudaBefore, mkldnnBefore));
            ASSERT(int(torch().float32MatmulPrecision()) == process);
        }
}

void testThrow() {
    torch().setFloat32MatmulPrecision("medium");
    try {
        const MatmulPrecisionGuard guard(MatmulPrecision::Highest);
        throw std::runtime_error("inside");
    } catch (const std::runtime_error&) {
    }
    ASSERT(torch().float32MatmulPrecision() == at::Float32MatmulPrecision::MEDIUM);
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::BF16));
}

/// An entry that contradicts the older setting, whose getter then throws: so it does before and after, but
/// not inside.
void testEntries() {
    reset();
    setEntry(Float32Backend::CUDA, Float32Op::MATMUL, Float32Precision::TF32);
    setEntry(Float32Backend::MKLDNN, Float32Op::MATMUL, Float32Precision::BF16);
    const auto contradicted = [] {
        try {
            torch().float32MatmulPrecision();
        } catch (const std::exception&) {
            return true;
        }
        return false;
    };
    ASSERT(contradicted());
    {
        const MatmulPrecisionGuard guard(MatmulPrecision::Highest);
        ASSERT(productsAre(Float32Precision::IEEE, Float32Precision::IEEE));
        ASSERT(!contradicted());
    }
    ASSERT(contradicted());
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::BF16));
    setEntry(Float32Backend::CUDA, Float32Op::MATMUL, Float32Precision::NONE);
    setEntry(Float32Backend::MKLDNN, Float32Op::MATMUL, Float32Precision::NONE);
    ASSERT(torch().float32MatmulPrecision() == at::Float32MatmulPrecision::HIGHEST);
}

/// Entries that follow those above them go on following them afterwards; others do not begin to.
void testFollowingEntries() {
    reset();
    setEntry(Float32Backend::GENERIC, Float32Op::ALL, Float32Precision::TF32);
    setEntry(Float32Backend::CUDA, Float32Op::MATMUL, Float32Precision::TF32);
    {
        const MatmulPrecisionGuard guard(MatmulPrecision::Highest);
    }
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::TF32));
    setEntry(Float32Backend::GENERIC, Float32Op::ALL, Float32Precision::IEEE);
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::IEEE));
    setEntry(Float32Backend::GENERIC, Float32Op::ALL, Float32Precision::BF16);
    setEntry(Float32Backend::MKLDNN, Float32Op::ALL, Float32Precision::BF16);
    {
        const MatmulPrecisionGuard guard(MatmulPrecision::Highest);
        ASSERT(productsAre(Float32Precision::IEEE, Float32Precision::IEEE));
    }
    setEntry(Float32Backend::GENERIC, Float32Op::ALL, Float32Precision::IEEE);
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::BF16));
    setEntry(Float32Backend::MKLDNN, Float32Op::ALL, Float32Precision::NONE);
    ASSERT(products(Float32Backend::MKLDNN) == Float32Precision::IEEE);
}

void testNothingIsSetThatIsAsWanted() {
    reset();
    const MatmulPrecisionGuard guard(MatmulPrecision::Highest);
    ASSERT(productsAre(Float32Precision::NONE, Float32Precision::NONE));
}

/// Guards as several threads hold them, which end in any order.
void testSeveral() {
    torch().setFloat32MatmulPrecision("medium");
    auto high = std::make_unique<MatmulPrecisionGuard>(MatmulPrecision::High);
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::TF32));
    auto first = std::make_unique<MatmulPrecisionGuard>(MatmulPrecision::Highest);
    auto second = std::make_unique<MatmulPrecisionGuard>(MatmulPrecision::Highest);
    first.reset();
    ASSERT(productsAre(Float32Precision::IEEE, Float32Precision::IEEE));
    second.reset();
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::TF32));
    high.reset();
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::BF16));
    // One that found what it wanted is not let down by another that did not.
    torch().setFloat32MatmulPrecision("high");
    high = std::make_unique<MatmulPrecisionGuard>(MatmulPrecision::High);
    first = std::make_unique<MatmulPrecisionGuard>(MatmulPrecision::Medium);
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::TF32));
    high.reset();
    ASSERT(productsAre(Float32Precision::TF32, Float32Precision::BF16));
    first.reset();
    ASSERT(torch().float32MatmulPrecision() == at::Float32MatmulPrecision::HIGH);
}

}  // namespace

int main() {
    return runTests({testNames, testOlderSetting, testThrow, testEntries, testFollowingEntries,
                     testNothingIsSetThatIsAsWanted, testSeveral});
}
