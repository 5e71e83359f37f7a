#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "check.h"
#include "descriptor.h"

namespace trellis::test {
namespace {

constexpr size_t SIZE = 8 << 20;

/** Pages of a file of `SIZE` bytes, mapped and each read once. The file is gone when this returns, as it is for a table that was replaced. */
uint8_t* mapped_file(const char* name) {
  const Descriptor file(open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const std::vector<uint8_t> bytes(SIZE, 7);
  const bool written = write(file.get(), bytes.data(), SIZE) == static_cast<ssize_t>(SIZE) && fsync(file.get()) == 0;
  unlink(name);
  void* pages = mmap(nullptr, SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  return written && pages != MAP_FAILED ? static_cast<uint8_t*>(pages) : nullptr;
}

/** Of the mapping, as the kernel counts it for this process (proc_pid_smaps(5)). */
uint64_t resident(const uint8_t* pages) {
  std::FILE* file = std::fopen("/proc/self/smaps", "re");
  char line[4096];
  uint64_t kilobytes = 0;
  for (bool found = false; std::fgets(line, sizeof line, file);) {
    unsigned long from = 0, to = 0;
    if (std::sscanf(line, "%lx-%lx ", &from, &to) == 2) found = from == reinterpret_cast<uint64_t>(pages);
    else if (found && std::sscanf(line, "Rss: %lu", &kilobytes) == 1) break;
  }
  std::fclose(file);
  return kilobytes * 1024;
}

}  // namespace

TEST("pages of tables are given back while that is asked for, and read again; those of other files stay") {
  uint8_t* table = mapped_file("build/native/test/000005.ldb");
  uint8_t* other = mapped_file("build/native/test/other");
  CHECK(table != nullptr && other != nullptr);
  if (table == nullptr || other == nullptr) return;
  CHECK(resident(table) == SIZE && resident(other) == SIZE);
  for (int i = 0; i < 6'000 && resident(table) > SIZE / 2; i++) {  // a page that the kernel has in hand stays
    CHECK(release_tables_for(100'000'000).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(resident(table) <= SIZE / 2 && resident(other) == SIZE);
  for (size_t at = 0; at < SIZE; at += 4096) CHECK(table[at] == 7);
  munmap(table, SIZE);
  munmap(other, SIZE);
}

}  // namespace trellis::test
