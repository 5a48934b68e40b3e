#include "ScoreDynamicsIntegratorProxy.h"

#include <memory>
#include <string>
#include <vector>

#include "Base64.h"
#include "ModelSearch.h"
#include "ScoreDynamicsIntegrator.h"
#include "openmm/OpenMMException.h"
#include "openmm/serialization/SerializationNode.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
using OpenMM::SerializationNode;
using OpenMM::SerializationProxy;

namespace {

constexpr int xmlVersion = 3, oldestVersion = 2;  // 3 brought the number of refinements

std::shared_ptr<const ScoreArchive> readModel(const SerializationNode& node) {
    const std::string expected = node.getStringProperty("modelSha256");
    if (!node.hasProperty("model")) return findModel(node.getStringProperty("modelPath"), expected);
    auto archive = ScoreArchive::fromBytes(base64Decode(node.getStringProperty("model")));
    if (archive->sha256() != expected)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the embedded model is not the model that was serialized; expected "
            "SHA-256 " +
            expected + ", found " + archive->sha256() + "; serialize the integrator again.");
    return archive;
}

/// Runs when the library is loaded, as OpenMM's own registrations do.
const struct Registration {
    Registration() {
        SerializationProxy::registerProxy(typeid(ScoreDynamicsIntegrator),
                                          new ScoreDynamicsIntegratorProxy());
    }
} registration;

}  // namespace

ScoreDynamicsIntegratorProxy::ScoreDynamicsIntegratorProxy()
    : SerializationProxy("ScoreDynamicsIntegrator") {}

void ScoreDynamicsIntegratorProxy::serialize(const void* object, SerializationNode& node) const {
    const auto& integrator = *reinterpret_cast<const ScoreDynamicsIntegrator*>(object);
    const ScoreArchive& model = integrator.getModel();
    node.setIntProperty("version", xmlVersion);
    node.setStringProperty("modelSha256", model.sha256());
    if (integrator.getEmbedModel())
        node.setStringProperty("model", base64Encode(model.bytes().data(), model.bytes().size()));
    else
        node.setStringProperty("modelPath", model.path());
    node.setDoubleProperty("stepSize", integrator.getStepSize());
    node.setDoubleProperty("constraintTolerance", integrator.getConstraintTolerance());
    node.setIntProperty("integrationForceGroups", integrator.getIntegrationForceGroups());
    node.setDoubleProperty("temperature", integrator.getTemperature());
    node.setStringProperty("solver", solverName(integrator.getSolver()));
    node.setIntProperty("randomSeed", integrator.getSeedSetting());
    for (const SamplingOptions::Number& number : SamplingOptions::numbers())
        node.setIntProperty(number.property, integrator.getSamplingOptions().*number.value);
    node.setIntProperty("numThreads", integrator.getNumThreads());
    node.setBoolProperty("forcesOnlyReported", integrator.getForcesOnlyReported());
    SerializationNode& particles = node.createChildNode("Particles");
    for (int particle : integrator.getParticles())
        particles.createChildNode("Particle").setIntProperty("index", particle);
}

void* ScoreDynamicsIntegratorProxy::deserialize(const SerializationNode& node) const {
    const int version = node.getIntProperty("version");
    if (version < oldestVersion || version > xmlVersion)
        throw OpenMMException("ScoreDynamicsIntegrator: the XML has version " + std::to_string(version) +
                              "; expected " + std::to_string(xmlVersion) +
                              "; install a newer openmm-scoredyn.");
    auto integrator = std::make_unique<ScoreDynamicsIntegrator>(readModel(node));
    integrator->setEmbedModel(node.hasProperty("model"));
    integrator->setStepSize(node.getDoubleProperty("stepSize"));
    integrator->setConstraintTolerance(node.getDoubleProperty("constraintTolerance"));
    integrator->setIntegrationForceGroups(node.getIntProperty("integrationForceGroups"));
    integrator->setTemperature(node.getDoubleProperty("temperature"));
    integrator->setSolver(parseSolver(node.getStringProperty("solver")));
    integrator->setRandomNumberSeed(node.getIntProperty("randomSeed"));
    for (const SamplingOptions::Number& number : SamplingOptions::numbers())
        integrator->setSamplingOption(
            number.name,
            node.getIntProperty(number.property, integrator->getSamplingOptions().*number.value));
    integrator->setNumThreads(node.getIntProperty("numThreads"));
    integrator->setForcesOnlyReported(node.getBoolProperty("forcesOnlyReported"));
    std::vector<int> particles;
    for (const SerializationNode& child : node.getChildNode("Particles").getChildren())
        particles.push_back(child.getIntProperty("index"));
    integrator->setParticles(particles);
    // OpenMM takes the pointer as one to the base class.
    return static_cast<OpenMM::Integrator*>(integrator.release());
}

}  // namespace ScoreDynPlugin
