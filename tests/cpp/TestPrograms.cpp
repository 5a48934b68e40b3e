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

const char* const newestFrame = R"(
def condition(self, history, box, lag_time_ps, temperature_K) -> List[Tensor]:
    return [history[:, -1]]
)";

const char* const identityAdvance = R"(
def advance(self, latent, condition: List[Tensor], history, box):
    return history[:, -1] + torch.nan_to_num(latent).reshape(-1, 2, 3)
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

std::string goldenExample(torch::jit::Module& module, const TestProgram& program, const at::Tensor& centre) {
    const at::Tensor history = centre.repeat({1, program.historyLength, 1, 1});
    const at::Tensor box = torch::eye(3).unsqueeze(0) * (program.periodic ? 2.0 : 0.0);
    const at::Tensor values = torch::linspace(-1, 1, 6).unsqueeze(0);
    const auto run = [&](const char* method, std::vector<c10::IValue> arguments) {
        return module.get_method(method)(std::move(arguments));
    };
    const c10::IValue condition =
        run("condition", {history, box, torch::full({1}, 1.0), torch::full({1}, 300.0)});
    std::string text = "{\"history\":" + list(history) + ",\"box\":" + list(box) +
                       ",\"lag_time_ps\":1.0,\"temperature_K\":300.0";
    at::Tensor clean;
    if (program.hasStart) {
        clean = run("start", {values, condition}).toTensor();
        text += ",\"noise\":" + list(values) + ",\"started\":" + list(clean);
    }
    if (program.denoisingSteps > 0) {
        clean = run("denoise", {values, torch::full({1}, 0.5), condition}).toTensor();
        text += ",\"latent\":" + list(values) + ",\"sigma\":0.5,\"denoised\":" + list(clean);
    }
    const at::Tensor positions = run("advance", {clean, condition, history, box}).toTensor();
    return text + ",\"positions\":" + list(positions) + "}";
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
    // A schema that is given says that it writes to nothing; an inferred one leaves that open.
    library.def("product_precision(Tensor like) -> Tensor", &productPrecision);
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
    const auto boolean = [](bool value) { return value ? "true" : "false"; };
    return R"({"name":"test","format_version":")" + program.formatVersion +
           R"(","capabilities":{"lag_times_ps":[)" + program.lagTimesPs +
           (program.recommendedLagTimePs.empty()
                ? "]"
                : R"(],"recommended_lag_time_ps":)" + program.recommendedLagTimePs) +
           R"(,"lag_time_range":false,"temperatures_K":[)" + program.temperaturesK +
           R"(],
        "temperature_range":false,"latent_size":6,"sigma_min":0.01,"sigma_max":80.0,"sigma_data":1.0,
        "solver":"dpmpp_2m","solvers":[],"history_length":)" +
           number(program.historyLength) + R"(,"periodic":)" + boolean(program.periodic) +
           R"(,"has_start":)" + boolean(program.hasStart) + R"(,"denoising_steps":)" +
           number(program.denoisingSteps) + R"(,"matmul_precision":")" + program.matmulPrecision +
           R"("},"particles":{"types":["C","O"],"masses_amu":[12.0,16.0],"bonds":[[0,1]],"guard":{
        "bond_lengths_nm":[0.125],"bond_tolerance":0.5,"angles":[],"angle_limits_deg":[],"stereocentres":[],
        "double_bonds":[],"double_bonds_cis":[],"contact_classes":[],"contacts":[],"max_displacement_nm":)" +
           number(program.maxDisplacementNm) + R"(}},"provenance":{},"golden":[)" + golden + "]}";
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
    if (program.code.find("def condition") == std::string::npos) module.define(newestFrame);
    module.define(program.code, std::make_shared<TestOperators>());
    torch::jit::ExtraFilesMap extra{{"scoredyn.json", card(program, goldenExample(module, program, centre))}};
    std::stringstream stream;
    module.save(stream, extra);
    return ScoreArchive::fromBytes(sealed(stream));
}

TestProgram driftProgram(double velocity) {
    return {.code = R"(
def denoise(self, latent, sigma, condition: List[Tensor]):
    return torch.zeros_like(latent)
def advance(self, latent, condition: List[Tensor], history, box):
    return history[:, -1] + torch.tensor([1.0, 0.0, 0.0], device=history.device) * )" +
                    number(velocity) + "\n"};
}

TestProgram ouInOneGo() {
    return {.code = R"(
def start(self, noise, condition: List[Tensor]):
    return noise
def advance(self, latent, condition: List[Tensor], history, box):
    return self.centre + )" +
                    number(ouDecay) + " * (condition[0] - self.centre) + " + number(ouStep) +
                    " * latent.reshape(-1, 2, 3)\n",
            .denoisingSteps = 0,
            .hasStart = true};
}

TestProgram ouDenoiser() {
    return {.code = R"(
def denoise(self, latent, sigma, condition: List[Tensor]):
    mean = )" + number((ouDecay - 1) / ouStep) +
                    R"( * (condition[0] - self.centre).flatten(1)
    variance = sigma[:, None] * sigma[:, None]
    return (latent + variance * mean) / (1 + variance)
def advance(self, latent, condition: List[Tensor], history, box):
    return history[:, -1] + latent.reshape(-1, 2, 3) * )" +
                    number(ouStep) + "\n"};
}

TestProgram failingProgram(const std::string& result) {
    return {.code = R"(
def denoise(self, latent, sigma, condition: List[Tensor]):
    if bool(condition[0][0, 0, 0] <= 50.0):
        return torch.zeros_like(latent)
    return )" + result +
                    "\n" + identityAdvance};
}

TestProgram precisionProgram(const std::string& matmulPrecision) {
    return {.code = R"(
def denoise(self, latent, sigma, condition: List[Tensor]):
    return torch.zeros_like(latent)
def advance(self, latent, condition: List[Tensor], history, box):
    step = torch.zeros_like(history[:, -1])
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
