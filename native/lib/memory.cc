#include "memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

namespace trellis {
namespace {

struct Mapping {
  uint64_t from = 0, to = 0;
  bool releasable = false;
  uint64_t resident = 0;
};

/** The head of an entry of smaps(5): `from-to rwxp offset device inode name`. */
bool parse_head(const char* line, Mapping& out) {
  uint64_t from = 0, to = 0, inode = 0;  // words like "Anonymous" begin with a hexadecimal digit
  char rights[5];
  char name[6] = "";
  if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %" SCNu64 " %5s", &from, &to, rights, &inode, name) < 4)
    return false;
  // Maps of BPF and devices have inodes too, and no file that their pages could be read from.
  const bool of_file = inode != 0 && name[0] == '/' && strcmp(name, "/dev/") != 0;
  out = {from, to, of_file && rights[1] == '-', 0};
  return true;
}

struct Closer {
  void operator()(FILE* file) const { fclose(file); }
};

}  // namespace

Status release_mapped(uint64_t& bytes) {
  bytes = 0;
  const std::unique_ptr<FILE, Closer> file(fopen("/proc/self/smaps", "re"));
  if (!file) return failed("open");
  Mapping mapping;
  char line[4096];
  while (fgets(line, sizeof line, file.get())) {
    uint64_t kilobytes = 0;
    if (parse_head(line, mapping)) continue;
    if (sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1) mapping.resident = kilobytes * 1024;
    if (sscanf(line, "Anonymous: %" SCNu64, &kilobytes) != 1) continue;
    // Pages that were written while that was allowed (relocations) are this process's alone, and would be lost.
    if (!mapping.releasable || kilobytes != 0 || mapping.resident == 0) continue;
    if (madvise(reinterpret_cast<void*>(mapping.from), mapping.to - mapping.from, MADV_DONTNEED) == 0)
      bytes += mapping.resident;
  }
  return {};
}

}  // namespace trellis
