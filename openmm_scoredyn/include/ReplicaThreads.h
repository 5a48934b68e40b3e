#pragma once

#include <functional>
#include <memory>

namespace OpenMM {
class ThreadPool;
}

namespace ScoreDynPlugin {

/// Shares the replicas of a batch among threads, for work on the host that is independent for each of them.
/// The threads are kept from call to call, and made only when there are replicas for more than one.
class ReplicaThreads {
public:
    ReplicaThreads();
    ~ReplicaThreads();

    /// Call work(begin, end) for ranges that together are the replicas 0 to count - 1, on up to `numThreads`
    /// threads, the calling one included. Returns when all are done; of what they throw, the exception of the
    /// first range is thrown on.
    void run(int count, int numThreads, const std::function<void(int begin, int end)>& work);

private:
    std::unique_ptr<OpenMM::ThreadPool> pool_;
};

}  // namespace ScoreDynPlugin
