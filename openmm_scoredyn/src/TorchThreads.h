#pragma once

#include <ATen/Parallel.h>

#include "Threads.h"

namespace ScoreDynPlugin {

/// Sets the thread count of torch for one call. The count belongs to the process, so it is put back.
class ThreadCount {
public:
    explicit ThreadCount(int wanted) : before_(at::get_num_threads()) {
        requireThreadsAlive(wanted);
        if (before_ != wanted) at::set_num_threads(wanted);
        changed_ = before_ != wanted;
    }
    ~ThreadCount() {
        if (changed_) at::set_num_threads(before_);
    }
    ThreadCount(const ThreadCount&) = delete;
    ThreadCount& operator=(const ThreadCount&) = delete;

private:
    int before_;
    bool changed_;
};

}  // namespace ScoreDynPlugin
