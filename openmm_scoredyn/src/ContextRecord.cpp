#include "ContextRecord.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <sstream>

#include "BinaryText.h"
#include "openmm/State.h"

namespace ScoreDynPlugin {

using OpenMM::State;
using OpenMM::Vec3;

namespace {

using Same = std::function<bool(double, double)>;

std::vector<double> numbersOf(const std::vector<Vec3>& vectors) {
    std::vector<double> numbers;
    numbers.reserve(3 * vectors.size());
    for (const Vec3& v : vectors) numbers.insert(numbers.end(), {v[0], v[1], v[2]});
    return numbers;
}

bool sameBits(double saved, double found) { return std::memcmp(&saved, &found, sizeof(double)) == 0; }

/// What a platform of single or mixed precision makes of a number is the same.
bool sameInFloat(double saved, double found) {
    const double mixed = 1e-12;  // two floats hold 48 bits
    return sameBits(saved, found) || static_cast<float>(saved) == static_cast<float>(found) ||
           std::abs(found - saved) <= mixed * std::abs(saved);
}

std::string sentence(const std::string& what, double saved, double found) {
    std::ostringstream text;
    text.precision(9);
    text << what << " is " << found << ", but was saved as " << saved;
    return text.str();
}

std::optional<std::string> differenceOfVectors(const char* what, const std::vector<double>& saved,
                                               const std::vector<double>& found, const Same& same) {
    if (saved.size() != found.size())
        return sentence("the number of particles", saved.size() / 3, found.size() / 3);
    for (size_t i = 0; i < saved.size(); ++i)
        if (!same(saved[i], found[i]))
            return sentence(
                std::string(1, "xyz"[i % 3]) + " of the " + what + " of particle " + std::to_string(i / 3),
                saved[i], found[i]);
    return std::nullopt;
}

std::optional<std::string> differenceOfParameters(const std::map<std::string, double>& saved,
                                                  const std::map<std::string, double>& found) {
    if (saved.size() != found.size()) return sentence("the number of parameters", saved.size(), found.size());
    for (const auto& [name, value] : saved)
        if (const auto other = found.find(name); other == found.end())
            return "the parameter " + name + " is missing";
        else if (!sameBits(value, other->second))
            return sentence("the parameter " + name, value, other->second);
    return std::nullopt;
}

std::optional<std::string> differenceOfTimeAndBox(const ContextRecord& saved, const ContextRecord& found) {
    if (!sameBits(saved.time, found.time)) return sentence("the time (ps)", saved.time, found.time);
    if (saved.stepCount != found.stepCount)
        return sentence("the step count", double(saved.stepCount), double(found.stepCount));
    for (int i = 0; i < 9; ++i)
        if (!sameBits(saved.box[i], found.box[i]))
            return sentence(std::string(1, "xyz"[i % 3]) + " of box vector " + "abc"[i / 3], saved.box[i],
                            found.box[i]);
    return std::nullopt;
}

/// Positions that differ by no more than vectors of the box and rounding are put where they were saved.
std::vector<double> inSavedImages(const ContextRecord& saved, std::vector<double> found,
                                  const ContextRecord::Rounding& rounding) {
    const double edge = std::max({saved.box[0], saved.box[4], saved.box[8]});
    for (size_t i = 0; i + 2 < std::min(found.size(), saved.positions.size()); i += 3) {
        Vec3 apart;
        for (int axis = 0; axis < 3; ++axis) apart[axis] = found[i + axis] - saved.positions[i + axis];
        if (rounding.images)
            for (int row = 2; row >= 0; --row)
                apart -= Vec3(saved.box[3 * row], saved.box[3 * row + 1], saved.box[3 * row + 2]) *
                         std::round(apart[row] / saved.box[4 * row]);
        for (int axis = 0; axis < 3; ++axis)
            if (const double there = saved.positions[i + axis];
                std::abs(apart[axis]) <= rounding.relative * (edge + std::abs(there)))
                found[i + axis] = there;
    }
    return found;
}

void putNumbers(std::ostream& stream, const std::vector<double>& numbers) {
    putText(stream, {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double)});
}

std::vector<double> takeNumbers(std::istream& stream) {
    const std::string bytes = takeText(stream);
    std::vector<double> numbers(bytes.size() / sizeof(double));
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(double));
    return numbers;
}

}  // namespace

ContextRecord ContextRecord::of(OpenMM::ContextImpl& context) {
    ContextRecord record;
    record.time = context.getTime();
    record.stepCount = context.getStepCount();
    Vec3 vectors[3];
    context.getPeriodicBoxVectors(vectors[0], vectors[1], vectors[2]);
    for (int i = 0; i < 9; ++i) record.box[i] = vectors[i / 3][i % 3];
    std::vector<Vec3> values;
    context.getPositions(values);
    record.positions = numbersOf(values);
    context.getVelocities(values);
    record.velocities = numbersOf(values);
    record.parameters = context.getParameters();
    return record;
}

std::optional<std::string> ContextRecord::differenceOfCheckpoint(const ContextRecord& found) const {
    if (auto difference = differenceOfTimeAndBox(*this, found)) return difference;
    if (auto difference = differenceOfVectors("position", positions, found.positions, sameBits))
        return difference;
    if (auto difference = differenceOfVectors("velocity", velocities, found.velocities, sameBits))
        return difference;
    return differenceOfParameters(parameters, found.parameters);
}

std::optional<std::string> ContextRecord::differenceOfState(const ContextRecord& found, int given,
                                                            const Rounding& rounding) const {
    if (auto difference = differenceOfTimeAndBox(*this, found)) return difference;
    const auto there =
        rounding.relative > 0 ? inSavedImages(*this, found.positions, rounding) : found.positions;
    if (auto difference = differenceOfVectors("position", positions, there, sameInFloat)) return difference;
    if (given & State::Velocities)
        if (auto difference = differenceOfVectors("velocity", velocities, found.velocities, sameInFloat))
            return difference;
    if (given & State::Parameters) return differenceOfParameters(parameters, found.parameters);
    return std::nullopt;
}

void ContextRecord::write(std::ostream& stream) const {
    put(stream, time);
    put(stream, stepCount);
    put(stream, box);
    putNumbers(stream, positions);
    putNumbers(stream, velocities);
    put(stream, static_cast<uint64_t>(parameters.size()));
    for (const auto& [name, value] : parameters) {
        putText(stream, name);
        put(stream, value);
    }
}

ContextRecord ContextRecord::read(std::istream& stream) {
    ContextRecord record;
    record.time = take<double>(stream);
    record.stepCount = take<int64_t>(stream);
    record.box = take<std::array<double, 9>>(stream);
    record.positions = takeNumbers(stream);
    record.velocities = takeNumbers(stream);
    const auto count = take<uint64_t>(stream);
    for (uint64_t i = 0; i < count && stream; ++i) {
        const std::string name = takeText(stream);
        record.parameters[name] = take<double>(stream);
    }
    return record;
}

}  // namespace ScoreDynPlugin
