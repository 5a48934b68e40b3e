#include <array>
#include <cstdint>

#include "Assertions.h"
#include "Philox.h"

namespace core_tests {

using Counter = std::array<uint32_t, 4>;
using Key = std::array<uint32_t, 2>;

/// The known answers for philox4x32-10 published with Random123, its reference implementation.
void testKnownAnswers() {
    ASSERT_EQUAL_CONTAINERS((Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}),
                            philox4x32(Counter{}, Key{}));
    const uint32_t ones = 0xffffffff;
    ASSERT_EQUAL_CONTAINERS((Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}),
                            philox4x32(Counter{ones, ones, ones, ones}, Key{ones, ones}));
    ASSERT_EQUAL_CONTAINERS(
        (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}),
        philox4x32(Counter{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, Key{0xa4093822, 0x299f31d0}));
}

}  // namespace core_tests

int main() { return core_tests::runTests({core_tests::testKnownAnswers}); }
