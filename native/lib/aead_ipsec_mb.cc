// AEADs by Intel's libipsec-mb, without the cost per call that libcrypto has. Opened when first wanted, so it stays optional.
#include "aead.h"

#if defined(__x86_64__) && __has_include(<intel-ipsec-mb.h>)

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include <cstring>
#include <type_traits>

#include "frame.h"

namespace trellis {
namespace {

/** The library's table of functions for this processor; they keep no state, so all threads share it. */
struct Functions {
  const IMB_MGR* table = nullptr;
  std::string version;
  std::string lacks;
};

template <typename Function>
bool resolve(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(dlsym(library, name));
  return out != nullptr;
}

Functions open_library() {
  const auto lacking = [](std::string why) { return Functions{nullptr, {}, std::move(why)}; };
  void* library = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return lacking("libIPSec_MB.so.1 is not installed");
  decltype(&imb_get_version) get_version;
  decltype(&imb_get_version_str) get_version_str;
  decltype(&alloc_mb_mgr) allocate;
  decltype(&init_mb_mgr_auto) initialize;
  decltype(&imb_get_errno) get_errno;
  if (!resolve(library, "imb_get_version", get_version) || !resolve(library, "imb_get_version_str", get_version_str) ||
      !resolve(library, "alloc_mb_mgr", allocate) || !resolve(library, "init_mb_mgr_auto", initialize) ||
      !resolve(library, "imb_get_errno", get_errno)) {
    return lacking("libIPSec_MB.so.1 lacks a function");
  }
  // The table is a struct of the header: another minor version may lay it out in another way.
  if (get_version() >> 8 != IMB_VERSION_NUM >> 8) {
    return lacking(std::string("version ") + get_version_str() + " is installed; this was compiled for " + IMB_VERSION_STR);
  }
  IMB_MGR* table = allocate(0);
  if (table == nullptr) return lacking("out of memory");
  initialize(table, nullptr);  // runs the library's self-test
  if (get_errno(table) != 0) return lacking("the library does not support this processor");
  constexpr uint64_t WANTED = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  if ((table->features & WANTED) != WANTED) return lacking("the processor has no AES instructions");
  return {table, get_version_str(), {}};
}

const Functions& functions() {
  static const Functions opened = open_library();
  return opened;
}

/** AES-256-GCM: expanded key and hash keys, and what the library keeps during a call. */
class Gcm {
 public:
  explicit Gcm(const uint8_t* key) { IMB_AES256_GCM_PRE(functions().table, key, &key_); }
  ~Gcm() {
    wipe(&key_, sizeof key_);
    wipe(&context_, sizeof context_);
  }
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;

  void seal(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, const uint8_t* plain, uint8_t* out, size_t size, uint8_t* tag) {
    IMB_AES256_GCM_ENC(functions().table, &key_, &context_, out, plain, size, nonce, aad, aad_size, tag, TAG_SIZE);
  }
  void open(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, uint8_t* data, size_t size, uint8_t* tag) {
    IMB_AES256_GCM_DEC(functions().table, &key_, &context_, data, data, size, nonce, aad, aad_size, tag, TAG_SIZE);
  }

 private:
  alignas(64) gcm_key_data key_;
  gcm_context_data context_;
};

class ChaCha {
 public:
  explicit ChaCha(const uint8_t* key) { std::memcpy(key_, key, KEY_SIZE); }
  ~ChaCha() {
    wipe(key_, sizeof key_);
    wipe(&context_, sizeof context_);
  }
  ChaCha(const ChaCha&) = delete;
  ChaCha& operator=(const ChaCha&) = delete;

  void seal(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, const uint8_t* plain, uint8_t* out, size_t size, uint8_t* tag) {
    const IMB_MGR* table = functions().table;
    IMB_CHACHA20_POLY1305_INIT(table, key_, &context_, nonce, aad, aad_size);
    IMB_CHACHA20_POLY1305_ENC_UPDATE(table, key_, &context_, out, plain, size);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(table, &context_, tag, TAG_SIZE);
  }
  void open(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, uint8_t* data, size_t size, uint8_t* tag) {
    const IMB_MGR* table = functions().table;
    IMB_CHACHA20_POLY1305_INIT(table, key_, &context_, nonce, aad, aad_size);
    IMB_CHACHA20_POLY1305_DEC_UPDATE(table, key_, &context_, data, data, size);
    IMB_CHACHA20_POLY1305_DEC_FINALIZE(table, &context_, tag, TAG_SIZE);
  }

 private:
  uint8_t key_[KEY_SIZE];
  chacha20_poly1305_context_data context_;
};

/** The library checks its pointers, and refuses null even where there is nothing to read. */
template <typename Byte>
Byte* some(Byte* data) {
  static std::remove_const_t<Byte> nothing{};
  return data != nullptr ? data : &nothing;
}

template <typename Algorithm>
class ImbSealer final : public Sealer {
 public:
  explicit ImbSealer(const uint8_t* key) : algorithm_(key) {}
  bool seal(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, const uint8_t* plain, uint8_t* out, size_t size, uint8_t* tag) override {
    algorithm_.seal(nonce, some(aad), aad_size, some(plain), some(out), size, tag);
    return true;
  }

 private:
  Algorithm algorithm_;
};

template <typename Algorithm>
class ImbOpener final : public Opener {
 public:
  explicit ImbOpener(const uint8_t* key) : algorithm_(key) {}
  bool open(const uint8_t* nonce, const uint8_t* aad, size_t aad_size, uint8_t* data, size_t size, const uint8_t* tag) override {
    uint8_t computed[TAG_SIZE] = {};
    algorithm_.open(nonce, some(aad), aad_size, some(data), size, computed);
    return CRYPTO_memcmp(computed, tag, TAG_SIZE) == 0;
  }

 private:
  Algorithm algorithm_;
};

class IpsecMb final : public AeadLibrary {
 public:
  std::string name() const override { return "libipsec-mb " + functions().version; }
  std::unique_ptr<Sealer> sealer(Cipher cipher, const uint8_t* key) const override {
    if (cipher == Cipher::aes256_gcm) return std::make_unique<ImbSealer<Gcm>>(key);
    return std::make_unique<ImbSealer<ChaCha>>(key);
  }
  std::unique_ptr<Opener> opener(Cipher cipher, const uint8_t* key) const override {
    if (cipher == Cipher::aes256_gcm) return std::make_unique<ImbOpener<Gcm>>(key);
    return std::make_unique<ImbOpener<ChaCha>>(key);
  }
};

}  // namespace

const AeadLibrary* ipsec_mb(std::string& lacks) {
  static const IpsecMb library;
  lacks = functions().lacks;
  return functions().table == nullptr ? nullptr : &library;
}

}  // namespace trellis

#else

namespace trellis {

const AeadLibrary* ipsec_mb(std::string& lacks) {
#if defined(__x86_64__)
  lacks = "compiled without its header";
#else
  lacks.clear();
#endif
  return nullptr;
}

}  // namespace trellis

#endif
