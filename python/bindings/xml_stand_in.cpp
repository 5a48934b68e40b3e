#include <pybind11/pybind11.h>

#include <string>
#include <typeinfo>

#include "openmm/OpenMMException.h"
#include "openmm/serialization/SerializationNode.h"
#include "openmm/serialization/SerializationProxy.h"

namespace py = pybind11;

namespace {

using OpenMM::OpenMMException;
using OpenMM::SerializationNode;
using OpenMM::SerializationProxy;

/// Load the plugin, whose own proxy then takes the place of the one here.
void loadPlugin() {
    const py::gil_scoped_acquire gil;
    try {
        py::module_::import("openmm_scoredyn.program.native");
    } catch (const py::error_already_set& error) {
        throw OpenMMException(std::string(py::str(error.value())));
    }
}

/// Stands for the proxy of ScoreDynamicsIntegrator, which is in a library that needs torch, until OpenMM
/// meets the first XML with one. So `import openmm_scoredyn` is enough to read it, and stays cheap.
class StandIn : public SerializationProxy {
public:
    StandIn() : SerializationProxy("ScoreDynamicsIntegrator") {}
    void serialize(const void*, SerializationNode&) const override {
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the plugin is not loaded; nothing can be serialized.");
    }
    void* deserialize(const SerializationNode& node) const override {
        loadPlugin();
        const SerializationProxy& proxy = getProxy(getTypeName());
        if (&proxy == this)
            throw OpenMMException(
                "ScoreDynamicsIntegrator: the plugin registered no reader of XML; install openmm-scoredyn "
                "again.");
        return proxy.deserialize(node);
    }
};

/// OpenMM registers a proxy for a type, too; of this one there are no objects.
struct NothingSerialized {};

}  // namespace

PYBIND11_MODULE(_xml, m) {
    m.doc() = "Lets OpenMM read XML with a ScoreDynamicsIntegrator. Needs openmm's library alone, no torch.";
    SerializationProxy::registerProxy(typeid(NothingSerialized), new StandIn());
}
