#include "ReplicaThreads.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <vector>

#include "openmm/internal/ThreadPool.h"

namespace ScoreDynPlugin {

namespace {

constexpr int fewest = 16;  // replicas that are worth waking a thread for: some 20 microseconds of noise

}  // namespace

ReplicaThreads::ReplicaThreads() = default;

ReplicaThreads::~ReplicaThreads() = default;

void ReplicaThreads::run(int count, int numThreads, const std::function<void(int begin, int end)>& work) {
    const int parts = std::min(numThreads, count / fewest);
    if (parts < 2) return work(0, count);
    if (!pool_ || pool_->getNumThreads() < parts - 1) pool_ = std::make_unique<OpenMM::ThreadPool>(parts - 1);

    const auto begin = [&](int part) { return static_cast<int>(int64_t(count) * part / parts); };
    std::vector<std::exception_ptr> thrown(parts);
    // An exception that left a thread of the pool would end the process.
    const auto doPart = [&](int part) {
        try {
            work(begin(part), begin(part + 1));
        } catch (...) {
            thrown[part] = std::current_exception();
        }
    };
    pool_->execute([&](OpenMM::ThreadPool&, int thread) {
        if (thread + 1 < parts) doPart(thread + 1);
    });
    doPart(0);
    pool_->waitForThreads();
    for (const std::exception_ptr& exception : thrown)
        if (exception) std::rethrow_exception(exception);
}

}  // namespace ScoreDynPlugin
