#include "aead.h"

#include <vector>

#include "check.h"
#include "frame.h"

namespace trellis::test {
namespace {

constexpr Cipher CIPHERS[] = {Cipher::aes256_gcm, Cipher::chacha20_poly1305};

}  // namespace

TEST("what a sealer seals its opener opens, at every length") {
  for (const Cipher cipher : CIPHERS) {
    uint8_t key[KEY_SIZE] = {7}, nonce[NONCE_SIZE], aad[HEADER_SIZE] = {4}, tag[TAG_SIZE];
    const auto sealer = make_sealer(cipher, key);
    const auto opener = make_opener(cipher, key);
    for (size_t size = 0; size < 300; size++) {
      std::vector<uint8_t> plain(size + 1), data;
      for (size_t i = 0; i < size; i++) plain[i] = static_cast<uint8_t>(i * 31 + size);
      data = plain;
      write_nonce(nonce, size);
      CHECK(sealer->seal(nonce, aad, sizeof aad, data.data(), size, tag));
      CHECK(size < 16 || data != plain);
      CHECK(opener->open(nonce, aad, sizeof aad, data.data(), size, tag));
      CHECK(data == plain);
    }
  }
}

TEST("an opener refuses a frame with any one bit changed, and opens the next good one") {
  for (const Cipher cipher : CIPHERS) {
    const uint8_t key[KEY_SIZE] = {9};
    uint8_t nonce[NONCE_SIZE];
    const auto sealer = make_sealer(cipher, key);
    const auto opener = make_opener(cipher, key);
    uint8_t good[HEADER_SIZE + 40 + TAG_SIZE] = {4, 0, 0, 0, 1};
    write_nonce(nonce, 3);
    CHECK(sealer->seal(nonce, good, HEADER_SIZE, good + HEADER_SIZE, 40, good + HEADER_SIZE + 40));
    const auto opens = [&](const uint8_t* frame) {
      uint8_t copy[sizeof good];
      std::memcpy(copy, frame, sizeof copy);
      return opener->open(nonce, copy, HEADER_SIZE, copy + HEADER_SIZE, 40, copy + HEADER_SIZE + 40);
    };
    for (size_t bit = 0; bit < sizeof good * 8; bit++) {
      good[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      CHECK(!opens(good));
      good[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
    CHECK(opens(good));
    write_nonce(nonce, 4);
    CHECK(!opens(good));
  }
}

TEST("both ciphers are offered and have a measurable rate") {
  for (const Cipher cipher : CIPHERS) CHECK(measure_seal(cipher) > 1);
}

}  // namespace trellis::test
