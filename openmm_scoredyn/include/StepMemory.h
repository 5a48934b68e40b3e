#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <vector>

#include "Recording.h"

namespace ScoreDynPlugin {

/// An array of floats in some memory. It grows, never shrinks, and is meaningful only to the StepMemory that
/// made it.
struct StepBuffer {
    std::shared_ptr<float> data;
    size_t size = 0;
    float* get() const { return data.get(); }
};

/// The memory in which the arrays of a step live, and the arithmetic on them: all that a step does besides
/// the network and the guard, so that one StepSampler serves host and GPU. Work on a GPU is only queued;
/// toHost waits for it.
class StepMemory {
public:
    /// A term of a linear combination.
    struct Term {
        float factor;
        const float* values;
    };

    virtual ~StepMemory() = default;

    /// Make the buffer hold at least `count` floats; their values are lost if it grows.
    virtual void reserve(StepBuffer& buffer, size_t count) = 0;
    /// Copy within this memory. The arrays must not overlap.
    virtual void copy(const float* from, size_t count, float* to) = 0;
    /// Copy rows of `width` floats, whose beginnings lie a stride apart on either side, in one operation. No
    /// row written may overlap one read.
    virtual void copyRows(const float* from, size_t fromStride, size_t width, size_t rows, float* to,
                          size_t toStride) = 0;
    /// An array of the host as one of this memory: the same pointer, or a copy in `buffer`.
    virtual const float* fromHost(const float* values, size_t count, StepBuffer& buffer) = 0;
    /// An array of this memory as one of the host: the same pointer, or a copy in `buffer`.
    virtual const float* toHost(const float* values, size_t count, std::vector<float>& buffer) = 0;
    /// out = sum of factor * values, term after term; terms with a factor of 0 are left out. `out` must be
    /// none of the values.
    virtual void combine(std::initializer_list<Term> terms, size_t count, float* out) = 0;

    /// Whether work on arrays of this memory can be recorded, and the recording of some (see Recorder).
    virtual bool canRecord() const { return false; }
    virtual std::unique_ptr<Recording> record(const std::function<void()>& work) { return nullptr; }

    /// Host memory.
    static std::shared_ptr<StepMemory> host();
};

}  // namespace ScoreDynPlugin
