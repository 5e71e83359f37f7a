#include "aead.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "check.h"
#include "frame.h"

namespace trellis::test {
namespace {

struct Text {
  std::vector<uint8_t> data;
  uint8_t tag[TAG_SIZE];
  bool operator==(const Text& other) const { return data == other.data && std::memcmp(tag, other.tag, TAG_SIZE) == 0; }
};

Text sealed_by(Sealer& sealer, const uint8_t* nonce, const std::vector<uint8_t>& aad, const std::vector<uint8_t>& data) {
  Text text{std::vector<uint8_t>(data.size()), {}};
  CHECK(sealer.seal(nonce, aad.data(), aad.size(), data.data(), text.data.data(), data.size(), text.tag));
  Text in_place{data, {}};
  CHECK(sealer.seal(nonce, aad.data(), aad.size(), in_place.data.data(), in_place.data.data(), data.size(), in_place.tag));
  CHECK(in_place == text);
  return text;
}

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
      CHECK(sealer->seal(nonce, aad, sizeof aad, data.data(), data.data(), size, tag));
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
    CHECK(sealer->seal(nonce, good, HEADER_SIZE, good + HEADER_SIZE, good + HEADER_SIZE, 40, good + HEADER_SIZE + 40));
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

TEST("every library seals what libcrypto seals, byte for byte, and opens it, at every length") {
  Random random(11);
  for (const AeadOffer& offer : aead_offers()) {
    uint8_t key[KEY_SIZE], nonce[NONCE_SIZE];
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random.next());
    const auto sealer = offer.library->sealer(offer.cipher, key), other = libcrypto().sealer(offer.cipher, key);
    const auto opener = offer.library->opener(offer.cipher, key);
    for (size_t size = 0; size < 2100; size += size < 600 ? 1 : 97) {
      write_nonce(nonce, random.next());
      std::vector<uint8_t> aad(size % 40 < 2 ? size % 40 : HEADER_SIZE), data(size);
      for (uint8_t& byte : aad) byte = static_cast<uint8_t>(random.next());
      for (uint8_t& byte : data) byte = static_cast<uint8_t>(random.next());
      Text text = sealed_by(*other, nonce, aad, data);
      CHECK_CASE(sealed_by(*sealer, nonce, aad, data) == text, offer.library->name());
      CHECK_CASE(opener->open(nonce, aad.data(), aad.size(), text.data.data(), size, text.tag) && text.data == data, offer.library->name());
    }
  }
}

TEST("a library refuses what libcrypto sealed with one bit changed anywhere, the tag included") {
  for (const AeadOffer& offer : aead_offers()) {
    const uint8_t key[KEY_SIZE] = {3}, nonce[NONCE_SIZE] = {4};
    const std::vector<uint8_t> aad(HEADER_SIZE, 5);
    const auto opener = offer.library->opener(offer.cipher, key);
    const Text good = sealed_by(*libcrypto().sealer(offer.cipher, key), nonce, aad, std::vector<uint8_t>(70, 6));
    for (size_t bit = 0; bit < (good.data.size() + TAG_SIZE) * 8; bit++) {
      Text bad = good;
      const size_t at = bit / 8;
      (at < bad.data.size() ? bad.data[at] : bad.tag[at - bad.data.size()]) ^= static_cast<uint8_t>(1 << bit % 8);
      CHECK(!opener->open(nonce, aad.data(), aad.size(), bad.data.data(), bad.data.size(), bad.tag));
    }
  }
}

TEST("both ciphers are offered, and the fastest library of each stands first and does the work") {
  for (const Cipher cipher : CIPHERS) {
    double best = 0;
    for (const AeadOffer& offer : aead_offers()) {
      if (offer.cipher == cipher) best = std::max(best, offer.rate);
    }
    CHECK(best > 1 && seal_rate(cipher) == best);
  }
  std::string lacks;
  size_t libraries = ipsec_mb(lacks) != nullptr ? 2 : 1;
  CHECK(aead_offers().size() == libraries * std::size(CIPHERS));
}

TEST("ciphers have their names") {
  for (const Cipher cipher : CIPHERS) {
    Cipher parsed;
    CHECK(parse_cipher(name_of(cipher), parsed) && parsed == cipher);
  }
  Cipher parsed;
  CHECK(!parse_cipher("aes-128-gcm", parsed) && !parse_cipher("", parsed));
}

}  // namespace trellis::test
