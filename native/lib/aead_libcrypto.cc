// AEADs by OpenSSL's libcrypto: on every processor, and the measure for the others.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "aead.h"
#include "frame.h"

namespace trellis {
namespace {

/** Fetched once: a fetch per packet costs more than the packet. Kept for the life of the process. */
const EVP_CIPHER* fetch(Cipher cipher) {
  static const EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static const EVP_CIPHER* const chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  return cipher == Cipher::aes256_gcm ? aes : chacha;
}

/** A context whose key is set once; per packet only the nonce changes. Freeing it cleanses the key schedule. */
class Context {
 public:
  Context(Cipher cipher, const uint8_t* key, int encrypt) : context_(EVP_CIPHER_CTX_new()) {
    const EVP_CIPHER* method = fetch(cipher);
    ready_ = context_ != nullptr && method != nullptr && EVP_CipherInit_ex2(context_, method, key, nullptr, encrypt, nullptr) == 1;
    params_[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, TAG_SIZE);
    params_[1] = OSSL_PARAM_construct_end();
  }
  ~Context() { EVP_CIPHER_CTX_free(context_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  bool ready() const { return ready_; }
  EVP_CIPHER_CTX* get() const { return context_; }
  OSSL_PARAM* tag(uint8_t* tag) {
    params_[0].data = tag;
    return params_;
  }

 private:
  EVP_CIPHER_CTX* context_;
  OSSL_PARAM params_[2];
  bool ready_ = false;
};

class LibcryptoSealer final : public Sealer {
 public:
  LibcryptoSealer(Cipher cipher, const uint8_t* key) : context_(cipher, key, 1) {}
  bool ready() const { return context_.ready(); }

  bool seal(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, const uint8_t* plain, uint8_t* out, size_t size, uint8_t* tag) override {
    EVP_CIPHER_CTX* context = context_.get();
    int done = 0;
    if (EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce, nullptr) != 1) return false;
    if (aad_size > 0 && EVP_EncryptUpdate(context, nullptr, &done, aad, static_cast<int>(aad_size)) != 1) return false;
    if (size > 0 && EVP_EncryptUpdate(context, out, &done, plain, static_cast<int>(size)) != 1) return false;
    if (EVP_EncryptFinal_ex(context, out, &done) != 1) return false;
    return EVP_CIPHER_CTX_get_params(context, context_.tag(tag)) == 1;
  }

 private:
  Context context_;
};

class LibcryptoOpener final : public Opener {
 public:
  LibcryptoOpener(Cipher cipher, const uint8_t* key) : context_(cipher, key, 0) {}
  bool ready() const { return context_.ready(); }

  bool open(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, uint8_t* data, size_t size, const uint8_t* tag) override {
    EVP_CIPHER_CTX* context = context_.get();
    int done = 0;
    // libcrypto only reads the tag on this path; its parameter type has no const.
    if (EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce, context_.tag(const_cast<uint8_t*>(tag))) != 1) return false;
    if (aad_size > 0 && EVP_DecryptUpdate(context, nullptr, &done, aad, static_cast<int>(aad_size)) != 1) return false;
    if (size > 0 && EVP_DecryptUpdate(context, data, &done, data, static_cast<int>(size)) != 1) return false;
    return EVP_DecryptFinal_ex(context, data, &done) == 1;
  }

 private:
  Context context_;
};

class Libcrypto final : public AeadLibrary {
 public:
  std::string name() const override { return std::string("libcrypto ") + OpenSSL_version(OPENSSL_VERSION_STRING); }
  std::unique_ptr<Sealer> sealer(Cipher cipher, const uint8_t* key) const override {
    auto sealer = std::make_unique<LibcryptoSealer>(cipher, key);
    return sealer->ready() ? std::move(sealer) : nullptr;
  }
  std::unique_ptr<Opener> opener(Cipher cipher, const uint8_t* key) const override {
    auto opener = std::make_unique<LibcryptoOpener>(cipher, key);
    return opener->ready() ? std::move(opener) : nullptr;
  }
};

}  // namespace

const AeadLibrary& libcrypto() {
  static const Libcrypto library;
  return library;
}

}  // namespace trellis
