// One AEAD with its key set: the only door to a cipher library. Another library is another subclass.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace trellis {

enum class Cipher : uint8_t { aes256_gcm, chacha20_poly1305 };

constexpr size_t KEY_SIZE = 32;
constexpr size_t NONCE_SIZE = 12;

/** Parses `aes-256-gcm` or `chacha20-poly1305`; false for anything else. */
bool parse_cipher(std::string_view name, Cipher& cipher);

/** For one direction and one thread at a time. Wipes its key when it goes. */
class Sealer {
 public:
  virtual ~Sealer() = default;
  /** Encrypts `size` bytes in place and writes the 16-byte tag; false when the library fails. */
  virtual bool seal(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, uint8_t* data, size_t size, uint8_t* tag) = 0;
};

class Opener {
 public:
  virtual ~Opener() = default;
  /** Decrypts `size` bytes in place; false when the tag is wrong, and then `data` must not be used. */
  virtual bool open(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, uint8_t* data, size_t size, const uint8_t* tag) = 0;
};

/** Null when the library does not offer the cipher. `key` is 32 bytes and is not kept by the caller's pointer. */
std::unique_ptr<Sealer> make_sealer(Cipher cipher, const uint8_t* key);
std::unique_ptr<Opener> make_opener(Cipher cipher, const uint8_t* key);

/** Megabytes per second that this core seals in packets of 1,400 bytes, measured for about 2 ms; 0 when not offered. */
double measure_seal(Cipher cipher);

/** Overwrites key material in a way the compiler may not leave out. */
void wipe(void* data, size_t size);

}  // namespace trellis
