#include "TestPrograms.h"

#include <ATen/Context.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/library.h>
#include <torch/script.h>

#include <sstream>

#include "ProgramCheck.h"
#include "RecordArchive.h"

using ScoreDynPlugin::ScoreArchive;

namespace {

const char* const identityAdvance = R"(
def advance(self, latent, history, box):
    return history[:, -1] + torch.nan_to_num(latent)
)";

std::string number(double value) {
    std::ostringstream text;
    text.precision(17);
    text << value;
    return text.str();
}

std::string list(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous().flatten();
    std::string text = "[";
    for (int64_t i = 0; i < flat.numel(); ++i) text += (i ? "," : "") + number(flat[i].item<double>());
    return text + "]";
}

std::string goldenTriple(torch::jit::Module& module, const TestProgram& program, const at::Tensor& centre) {
    const at::Tensor history = centre.repeat({1, program.historyLength, 1, 1});
    const at::Tensor box = torch::eye(3) * (program.periodic ? 2.0 : 0.0);
    const std::string common = "{\"history\":" + list(history) + ",\"box\":" + list(box);
    if (program.kind == "transition") {
        const at::Tensor noise = torch::linspace(-1, 1, 6).reshape({1, 1, 2, 3});
        const at::Tensor positions = module.get_method("propose")({noise, history, box}).toTensor();
        return common + ",\"noise\":" + list(noise) + ",\"positions\":" + list(positions) + "}";
    }
    const at::Tensor latent = torch::linspace(-1, 1, 6).reshape({1, 2, 3});
    const at::Tensor denoised =
        module.get_method("denoise")({latent, torch::full({1}, 0.5), history, box}).toTensor();
    const at::Tensor positions = module.get_method("advance")({denoised, history, box}).toTensor();
    return common + ",\"latent\":" + list(latent) + ",\"sigma\":0.5,\"denoised\":" + list(denoised) +
           ",\"positions\":" + list(positions) + "}";
}

/// How precise products are while the program that calls this runs: see precisionProgram.
at::Tensor productPrecision(const at::Tensor& like) {
    const auto reduction = [](at::Float32Backend backend) {
        const auto found = at::globalContext().float32Precision(backend, at::Float32Op::MATMUL);
        return found == at::Float32Precision::TF32 ? 1 : found == at::Float32Precision::BF16 ? 2 : 0;
    };
    return at::full({}, reduction(at::Float32Backend::CUDA) + 2 * reduction(at::Float32Backend::MKLDNN),
                    like.options());
}

TORCH_LIBRARY(scoredyn_tests, library) {
    library.def("product_precision", &productPrecision);
    ScoreDynPlugin::trustOperator("scoredyn_tests::product_precision");
}

/// Lets programs call it as `scoredyn_tests.product_precision`.
struct TestOperators : torch::jit::NativeResolver {
    std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name,
                                                           torch::jit::GraphFunction& function,
                                                           const torch::jit::SourceRange& place) override {
        if (name == "scoredyn_tests") return std::make_shared<torch::jit::BuiltinModule>(name);
        return NativeResolver::resolveValue(name, function, place);
    }
};

std::string card(const TestProgram& program, const std::string& golden) {
    return R"({"name":"test","lag_time_ps":1.0,"temperature_K":300.0,"latent_size":2,"noise_count":1,
        "sigma_min":0.01,"sigma_max":80.0,"sigma_data":1.0,"solver":"dpmpp_2m","denoising_steps":4,
        "elements":["C","O"],"masses_amu":[12.0,16.0],"atom_names":["C","O"],"residue_names":["M","M"],
        "residue_indices":[0,0],"bonds":[[0,1]],"bond_lengths_nm":[0.125],"bond_tolerance":0.5,"chiral_centres":[],
        "solvent":"none","force_field":"none","training_data":{},"accuracy":{},"licence":"MIT","package_version":"0",
        "torch_version":"0","format_version":")" +
           program.formatVersion + R"(","kind":")" + program.kind + R"(","periodic":)" +
           (program.periodic ? "true" : "false") +
           (program.matmulPrecision.empty() ? ""
                                            : R"(,"matmul_precision":")" + program.matmulPrecision + '"') +
           R"(,"max_displacement_nm":)" + number(program.maxDisplacementNm) + R"(,"history_length":)" +
           number(program.historyLength) + R"(,"golden":)" + golden + "}";
}

/// The archive that torch wrote, with the sums of its records.
std::string sealed(std::istream& stream) {
    caffe2::serialize::PyTorchStreamReader reader(&stream);
    std::vector<std::string> contents;
    const std::vector<std::string> names = reader.getAllRecords();
    for (const std::string& name : names) {
        const auto [data, size] = reader.getRecord(name);
        contents.emplace_back(static_cast<const char*>(data.get()), size);
    }
    std::vector<ScoreDynPlugin::Record> records;
    for (size_t i = 0; i < names.size(); ++i) records.emplace_back("archive/" + names[i], contents[i]);
    return ScoreDynPlugin::writeRecordArchive(records);
}

}  // namespace

std::shared_ptr<const ScoreArchive> makeArchive(const TestProgram& program) {
    torch::jit::Module module("TestProgram");
    const at::Tensor centre = torch::tensor({0.0f, 0.0f, 0.0f, 0.125f, 0.0f, 0.0f}).reshape({2, 3});
    module.register_buffer("centre", centre);
    module.define(program.code, std::make_shared<TestOperators>());
    torch::jit::ExtraFilesMap extra{{"scoredyn.json", card(program, goldenTriple(module, program, centre))}};
    std::stringstream stream;
    module.save(stream, extra);
    return ScoreArchive::fromBytes(sealed(stream));
}

TestProgram driftProgram(double velocity) {
    return {.code = R"(
def denoise(self, latent, sigma, history, box):
    return torch.zeros_like(latent)
def advance(self, latent, history, box):
    return history[:, -1] + torch.tensor([1.0, 0.0, 0.0], device=history.device) * )" +
                    number(velocity) + "\n"};
}

TestProgram ouTransition() {
    return {.kind = "transition",
            .code = R"(
def propose(self, noise, history, box):
    return self.centre + )" +
                    number(ouDecay) + " * (history[:, -1] - self.centre) + " + number(ouStep) +
                    " * noise[:, 0]\n"};
}

TestProgram ouDenoiser() {
    return {.code = R"(
def denoise(self, latent, sigma, history, box):
    mean = )" + number((ouDecay - 1) / ouStep) +
                    R"( * (history[:, -1] - self.centre)
    variance = sigma[:, None, None] * sigma[:, None, None]
    return (latent + variance * mean) / (1 + variance)
def advance(self, latent, history, box):
    return history[:, -1] + latent * )" +
                    number(ouStep) + "\n"};
}

TestProgram failingProgram(const std::string& result) {
    return {.code = R"(
def denoise(self, latent, sigma, history, box):
    if bool(history[0, -1, 0, 0] <= 50.0):
        return torch.zeros_like(latent)
    return )" + result +
                    "\n" + identityAdvance};
}

TestProgram precisionProgram(const std::string& matmulPrecision) {
    return {.code = R"(
def denoise(self, latent, sigma, history, box):
    return torch.zeros_like(latent)
def advance(self, latent, history, box):
    step = torch.zeros_like(latent)
    step[:, :, 0] = 0.25 * scoredyn_tests.product_precision(latent)
    return history[:, -1] + step
)",
            .matmulPrecision = matmulPrecision};
}

void setProcessPrecision(const std::string& name) { at::globalContext().setFloat32MatmulPrecision(name); }

std::string processPrecision() {
    const char* const names[] = {"highest", "high", "medium"};
    return names[int(at::globalContext().float32MatmulPrecision())];
}
