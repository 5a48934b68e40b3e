#include <string>

#include "Assertions.h"
#include "Sha256.h"

namespace core_tests {

std::string digest(const std::string& text) { return sha256Hex(text.data(), text.size()); }

/// The examples of FIPS 180-4: none, one and two blocks of message.
void testKnownAnswers() {
    ASSERT_EQUAL("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", digest(""));
    ASSERT_EQUAL("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", digest("abc"));
    ASSERT_EQUAL("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
                 digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"));
    ASSERT_EQUAL("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                 digest(std::string(1000000, 'a')));
}

/// Lengths at which the padding just fits into the last block, or just does not.
void testPadding() {
    ASSERT_EQUAL("9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318",
                 digest(std::string(55, 'a')));
    ASSERT_EQUAL("b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a",
                 digest(std::string(56, 'a')));
    ASSERT_EQUAL("7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34",
                 digest(std::string(63, 'a')));
    ASSERT_EQUAL("ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb",
                 digest(std::string(64, 'a')));
    ASSERT_EQUAL("635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0",
                 digest(std::string(65, 'a')));
}

}  // namespace core_tests

int main() { return core_tests::runTests({core_tests::testKnownAnswers, core_tests::testPadding}); }
