// AEADs with their key set: the only door to the cipher libraries. Which library does the work is measured, not assumed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

enum class Cipher : uint8_t { aes256_gcm, chacha20_poly1305 };
constexpr Cipher CIPHERS[] = {Cipher::aes256_gcm, Cipher::chacha20_poly1305};

constexpr size_t KEY_SIZE = 32;
constexpr size_t NONCE_SIZE = 12;

/** `aes-256-gcm` or `chacha20-poly1305`. */
std::string_view name_of(Cipher cipher);
/** The reverse; false for anything else. */
bool parse_cipher(std::string_view name, Cipher& cipher);

/** For one direction and one thread at a time. Wipes its key when it goes. */
class Sealer {
 public:
  virtual ~Sealer() = default;
  /** Encrypts `size` bytes to `out`, which may be `plain`, and writes the 16-byte tag; false when the library fails. */
  virtual bool seal(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, const uint8_t* plain, uint8_t* out, size_t size, uint8_t* tag) = 0;
};

class Opener {
 public:
  virtual ~Opener() = default;
  /** Decrypts `size` bytes in place; false when the tag is wrong, and then `data` must not be used. */
  virtual bool open(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, uint8_t* data, size_t size, const uint8_t* tag) = 0;
};

/** A cipher library on this machine. Lives as long as the process. */
class AeadLibrary {
 public:
  virtual ~AeadLibrary() = default;
  /** As Debian calls it, and its version. */
  virtual std::string name() const = 0;
  /** Null when the library does not offer the cipher. `key` is KEY_SIZE bytes and is copied. */
  virtual std::unique_ptr<Sealer> sealer(Cipher cipher, const uint8_t* key) const = 0;
  virtual std::unique_ptr<Opener> opener(Cipher cipher, const uint8_t* key) const = 0;
};

/** OpenSSL's library, which the addon is linked against. */
const AeadLibrary& libcrypto();

/** Intel's library, opened when first wanted. Null, and why in `lacks`, when it cannot be used; both empty on other processors. */
const AeadLibrary* ipsec_mb(std::string& lacks);

/** What a library does with one cipher on this core. */
struct AeadOffer {
  Cipher cipher;
  const AeadLibrary* library;
  double rate;  // MB/s sealed in packets of 1,400 bytes
};

/** Measured at the first call, for about a millisecond each; the fastest of each cipher stands first. */
const std::vector<AeadOffer>& aead_offers();

/** By the fastest library. Null when none offers the cipher. */
std::unique_ptr<Sealer> make_sealer(Cipher cipher, const uint8_t* key);
std::unique_ptr<Opener> make_opener(Cipher cipher, const uint8_t* key);

/** The rate that `make_sealer` gives; 0 when no library offers the cipher. */
double seal_rate(Cipher cipher);

/** Overwrites key material in a way the compiler may not leave out. */
void wipe(void* data, size_t size);

}  // namespace trellis
