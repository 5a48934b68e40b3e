#include <ATen/Version.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "NativeCode.h"
#include "PrivateFile.h"
#include "ProgramRuntime.h"
#include "TorchErrors.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;
using torch::inductor::AOTIModelPackageLoader;

namespace {

const std::string listMethod = "condition";  // which returns a list, even of one tensor

/// One compiled model per method, each under the method's name.
class InductorRuntime : public ProgramRuntime {
public:
    InductorRuntime(const ScoreArchive& archive, const std::vector<ProgramMethod>& methods,
                    const c10::Device& device)
        : name_("'" + archive.card().name + "'") {
        // torch unpacks the libraries of a package into the temporary folder and loads them there.
        requireLoadableNativeCode();
        // torch loads packages from files only; the bytes are written out because they are what was trusted,
        // while the file they came from may have changed since.
        const PrivateFile package("program.pt2", archive.bytes());
        requireMethods(archive.file().records(), methods);
        for (const ProgramMethod& method : methods) {
            try {
                const Metadata metadata =
                    AOTIModelPackageLoader::load_metadata_from_package(package.path(), method.name);
                requireDevice(metadata, device);
                requireCpu(metadata);
                // On a GPU without events of its own between calls, which a recording could not hold.
                models_[method.name] = std::make_unique<AOTIModelPackageLoader>(
                    package.path(), method.name, device.is_cuda(), 1, device.index());
            } catch (const OpenMMException&) {
                throw;
            } catch (const std::exception& error) {
                throw OpenMMException("ScoreProgram: cannot load the method `" + method.name + "` of " +
                                      name_ + ": " + reason(error) +
                                      " Export the model again with this version of torch.");
            }
        }
    }

    c10::IValue run(const std::string& method, Arguments arguments) const override {
        const std::lock_guard lock(oneAtATime_);
        // Packages take and give flat lists of tensors.
        std::vector<at::Tensor> flat;
        for (const c10::IValue& argument : arguments)
            if (argument.isTensor())
                flat.push_back(argument.toTensor());
            else
                for (const at::Tensor& tensor : argument.toTensorVector()) flat.push_back(tensor);
        std::vector<at::Tensor> results = models_.at(method)->run(flat);
        if (method != listMethod && results.size() == 1) return results.front();
        return results;
    }

private:
    using Metadata = std::unordered_map<std::string, std::string>;

    void requireDevice(const Metadata& metadata, const c10::Device& device) const {
        const auto compiledFor = metadata.find("AOTI_DEVICE_KEY");
        const std::string wanted = c10::DeviceTypeName(device.type(), true);
        if (compiledFor != metadata.end() && compiledFor->second != wanted)
            throw OpenMMException("ScoreProgram: " + name_ + " was compiled for another device; expected " +
                                  wanted + ", found " + compiledFor->second +
                                  "; export it for this device, use the TorchScript program, or name the "
                                  "device of the package (ScoreModel(path, device=...), --platform).");
    }

    void requireMethods(const RecordArchive& archive, const std::vector<ProgramMethod>& methods) const {
        for (const ProgramMethod& method : methods) {
            const std::string folder = "data/aotinductor/" + method.name + "/";
            const bool found = std::ranges::any_of(
                archive.records(), [&](const Record& r) { return r.first.rfind(folder, 0) == 0; });
            if (!found)
                throw OpenMMException("ScoreProgram: " + name_ + " has no method `" + method.name +
                                      "`, which its card promises; export the model again.");
        }
    }

    /// Code for wider vectors than this CPU has would end the process without a word.
    void requireCpu(const Metadata& metadata) const {
        const auto compiledFor = metadata.find("AOTI_CPU_ISA");
        if (compiledFor == metadata.end()) return;
        const std::string here = at::get_cpu_capability();
        if (compiledFor->second.rfind("AVX512", 0) == 0 && here != "AVX512")
            throw OpenMMException("ScoreProgram: " + name_ +
                                  " was compiled for another CPU; expected AVX512, found " + here +
                                  "; export the model again on this machine.");
    }

    std::string name_;
    std::map<std::string, std::unique_ptr<AOTIModelPackageLoader>> models_;
    mutable std::mutex oneAtATime_;
};

}  // namespace

std::unique_ptr<ProgramRuntime> loadInductorPackage(const ScoreArchive& archive,
                                                    const std::vector<ProgramMethod>& methods,
                                                    const c10::Device& device) {
    return std::make_unique<InductorRuntime>(archive, methods, device);
}

}  // namespace ScoreDynPlugin
