#include "aead.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <chrono>

#include "frame.h"

namespace trellis {
namespace {

/** The rate of the fastest run of some packets: what else runs on the core makes others slower, never faster. */
double measure(const AeadLibrary& library, Cipher cipher) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t SIZE = 1400;
  constexpr int RUN = 8;
  constexpr auto SPAN = std::chrono::milliseconds(1);
  const uint8_t key[KEY_SIZE] = {1};
  const auto sealer = library.sealer(cipher, key);
  if (sealer == nullptr) return 0;
  std::vector<uint8_t> data(SIZE);
  uint8_t nonce[NONCE_SIZE], tag[TAG_SIZE];
  const uint8_t aad[HEADER_SIZE] = {};
  uint64_t packets = 0;
  auto best = Clock::duration::max();
  const auto start = Clock::now();
  for (auto now = start; now - start < SPAN;) {
    for (int i = 0; i < RUN; i++) {
      write_nonce(nonce, packets++);
      if (!sealer->seal(nonce, aad, sizeof aad, data.data(), data.data(), SIZE, tag)) return 0;
    }
    const auto before = now;
    now = Clock::now();
    best = std::min(best, now - before);
  }
  return RUN * SIZE / std::chrono::duration<double, std::micro>(best).count();
}

std::vector<AeadOffer> measure_all() {
  std::string lacks;
  std::vector<AeadOffer> offers;
  for (const Cipher cipher : CIPHERS) {
    for (const AeadLibrary* library : {&libcrypto(), ipsec_mb(lacks)}) {
      if (library == nullptr) continue;
      if (const double rate = measure(*library, cipher); rate > 0) offers.push_back({cipher, library, rate});
    }
  }
  std::stable_sort(offers.begin(), offers.end(), [](const AeadOffer& a, const AeadOffer& b) {
    return a.cipher != b.cipher ? a.cipher < b.cipher : a.rate > b.rate;
  });
  return offers;
}

const AeadOffer* fastest(Cipher cipher) {
  const auto& offers = aead_offers();
  const auto found = std::find_if(offers.begin(), offers.end(), [&](const AeadOffer& offer) { return offer.cipher == cipher; });
  return found == offers.end() ? nullptr : &*found;
}

}  // namespace

std::string_view name_of(Cipher cipher) { return cipher == Cipher::aes256_gcm ? "aes-256-gcm" : "chacha20-poly1305"; }

bool parse_cipher(std::string_view name, Cipher& cipher) {
  for (const Cipher each : CIPHERS) {
    if (name_of(each) != name) continue;
    cipher = each;
    return true;
  }
  return false;
}

const std::vector<AeadOffer>& aead_offers() {
  static const std::vector<AeadOffer> offers = measure_all();
  return offers;
}

std::unique_ptr<Sealer> make_sealer(Cipher cipher, const uint8_t* key) {
  const AeadOffer* offer = fastest(cipher);
  return offer == nullptr ? nullptr : offer->library->sealer(cipher, key);
}

std::unique_ptr<Opener> make_opener(Cipher cipher, const uint8_t* key) {
  const AeadOffer* offer = fastest(cipher);
  return offer == nullptr ? nullptr : offer->library->opener(cipher, key);
}

double seal_rate(Cipher cipher) {
  const AeadOffer* offer = fastest(cipher);
  return offer == nullptr ? 0 : offer->rate;
}

void wipe(void* data, size_t size) { OPENSSL_cleanse(data, size); }

}  // namespace trellis
