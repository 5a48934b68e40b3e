#include "StepMemory.h"

#include <algorithm>

namespace ScoreDynPlugin {

namespace {

class HostMemory : public StepMemory {
public:
    void reserve(StepBuffer& buffer, size_t count) override {
        if (buffer.size < count)
            buffer = {std::shared_ptr<float>(new float[count], [](float* p) { delete[] p; }), count};
    }
    void copy(const float* from, size_t count, float* to) override { std::copy_n(from, count, to); }
    void copyRows(const float* from, size_t fromStride, size_t width, size_t rows, float* to,
                  size_t toStride) override {
        for (size_t row = 0; row < rows; ++row)
            std::copy_n(from + row * fromStride, width, to + row * toStride);
    }
    const float* fromHost(const float* values, size_t, StepBuffer&) override { return values; }
    const float* toHost(const float* values, size_t, std::vector<float>&) override { return values; }
    void combine(std::initializer_list<Term> terms, size_t count, float* out) override {
        bool first = true;
        for (const Term& term : terms) {
            if (term.factor == 0) continue;
            const float factor = term.factor;
            const float* const values = term.values;
            if (first)
                for (size_t i = 0; i < count; ++i) out[i] = factor * values[i];
            else
                for (size_t i = 0; i < count; ++i) out[i] += factor * values[i];
            first = false;
        }
        if (first) std::fill_n(out, count, 0.0f);
    }
};

}  // namespace

std::shared_ptr<StepMemory> StepMemory::host() {
    static const auto memory = std::make_shared<HostMemory>();
    return memory;
}

}  // namespace ScoreDynPlugin
