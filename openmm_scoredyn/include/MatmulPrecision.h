#pragma once

#include <string>

namespace ScoreDynPlugin {

/// How precisely float32 matrices are multiplied: in float32, with TF32 (where a GPU has it), or with
/// bfloat16, too (where a processor has it). From the most to the least precise.
enum class MatmulPrecision { Highest, High, Medium };

/// "highest", "high" or "medium", as a card and torch say it. Throws OpenMMException for another name.
MatmulPrecision parseMatmulPrecision(const std::string& name);

/// Holds torch to a precision as long as it lives, whatever the process asked for by
/// `torch.set_float32_matmul_precision` or `torch.backends`, and puts back exactly what that was.
///
/// torch has one setting for all threads. Where several threads hold one at a time the most precise applies,
/// so that no product is less precise than wanted.
class MatmulPrecisionGuard {
public:
    explicit MatmulPrecisionGuard(MatmulPrecision wanted);
    ~MatmulPrecisionGuard();
    MatmulPrecisionGuard(const MatmulPrecisionGuard&) = delete;
    MatmulPrecisionGuard& operator=(const MatmulPrecisionGuard&) = delete;

private:
    MatmulPrecision wanted_;
};

}  // namespace ScoreDynPlugin
