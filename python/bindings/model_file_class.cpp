#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ModelFile.h"
#include "ProgramCheck.h"
#include "RecordArchive.h"
#include "bindings.h"

namespace py = pybind11;

namespace ScoreDynPlugin {

namespace {

py::bytes writeArchive(const std::vector<std::pair<std::string, py::bytes>>& records) {
    std::vector<Record> views;
    for (const auto& [name, content] : records) views.emplace_back(name, std::string_view(content));
    return writeRecordArchive(views);
}

}  // namespace

void bindModelFile(py::module_& m) {
    using namespace py::literals;
    m.def("write_record_archive", &writeArchive,
          "The archive of records (name, content), with the sums of all of them.", "records"_a);
    m.def(
        "check_record_archive",
        [](const py::bytes& data, const std::string& name) {
            const RecordArchive archive(std::string_view(data), name);
        },
        "Compare an archive with the sums in it.", "data"_a, "name"_a);
    m.def(
        "read_regular_file",
        [](const std::string& path, size_t maxBytes, const std::string& name) {
            return py::bytes(readRegularFile(path, maxBytes, name));
        },
        "path"_a, "max_bytes"_a, "name"_a);
    m.def("trust_operator", &trustOperator, "name"_a);
    py::class_<ModelFile, std::shared_ptr<ModelFile>>(
        m, "ModelFile", "The file of a model, compared with the sums in it; nothing of it is run.")
        .def(py::init([](const std::string& path) {
                 return std::const_pointer_cast<ModelFile>(ModelFile::fromFile(path));
             }),
             "path"_a)
        .def_static(
            "from_bytes",
            [](const py::bytes& data) {
                return std::const_pointer_cast<ModelFile>(ModelFile::fromBytes(std::string(data)));
            },
            "data"_a)
        .def_property_readonly("path", &ModelFile::path)
        .def_property_readonly("sha256", &ModelFile::sha256)
        .def_property_readonly("card_json", &ModelFile::cardJson)
        .def_property_readonly("holds_native_code", &ModelFile::holdsNativeCode)
        .def_property_readonly("source", [](const ModelFile& file) { return py::bytes(file.bytes()); })
        .def("require_safe", &requireSafeTorchScript,
             "Refuse a TorchScript archive whose methods may not be run: operators outside the list, state, "
             "loops without bound.",
             "methods"_a, "name"_a);
}

}  // namespace ScoreDynPlugin
