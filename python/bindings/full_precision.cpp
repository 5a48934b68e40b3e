#include <optional>

#include "MatmulPrecision.h"
#include "bindings.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

class FullPrecision {
public:
    void enter() { guard_.emplace(MatmulPrecision::Highest); }
    void exit(const py::args&) { guard_.reset(); }

private:
    std::optional<MatmulPrecisionGuard> guard_;
};

}  // namespace

void bindFullPrecision(py::module_& m) {
    py::class_<FullPrecision>(m, "FullPrecision")
        .def(py::init<>())
        .def("__enter__", &FullPrecision::enter)
        .def("__exit__", &FullPrecision::exit);
}

}  // namespace ScoreDynPlugin
