// The words of a BPF array (BPF_F_MMAPABLE), in memory that the kernel's programs and we share.
#pragma once
#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "status.h"

namespace trellis {

class MappedWords {
 public:
  /** Maps the first `count` words of the map. */
  static Status open(int map, size_t count, MappedWords& out) {
    void* memory = mmap(nullptr, count * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (memory == MAP_FAILED) return failed("mmap");
    out = MappedWords(static_cast<uint64_t*>(memory), count);
    return {};
  }

  MappedWords() = default;
  MappedWords(MappedWords&& other) noexcept : words_(std::exchange(other.words_, nullptr)), count_(other.count_) {}
  MappedWords& operator=(MappedWords&& other) noexcept {
    std::swap(words_, other.words_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~MappedWords() {
    if (words_ != nullptr) munmap(words_, count_ * sizeof(uint64_t));
  }

  bool open() const { return words_ != nullptr; }
  std::atomic_ref<uint64_t> operator[](size_t index) const { return std::atomic_ref(words_[index]); }

 private:
  MappedWords(uint64_t* words, size_t count) : words_(words), count_(count) {}

  uint64_t* words_ = nullptr;
  size_t count_ = 0;
};

}  // namespace trellis
