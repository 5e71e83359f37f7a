#include "memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>

#include "clock.h"
#include "descriptor.h"

namespace trellis {
namespace {

struct Mapping {
  uint64_t from = 0, to = 0;
  bool writable = false;
  std::string file;  // empty where there is none
};

/** A line of maps or the head of an entry of smaps (proc_pid_maps(5)): `from-to rwxp offset device inode name`. */
bool parse_head(const char* line, Mapping& out) {
  uint64_t from = 0, to = 0;  // words like "Anonymous" begin with a hexadecimal digit
  char rights[5];
  int name = 0;
  if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %*u %n", &from, &to, rights, &name) < 3 || name == 0) return false;
  out = {from, to, rights[1] != '-', {line + name, strcspn(line + name, "\n")}};
  return true;
}

struct Closer {
  void operator()(FILE* file) const { fclose(file); }
};
using File = std::unique_ptr<FILE, Closer>;

bool advise(const Mapping& m, int advice) {
  return madvise(reinterpret_cast<void*>(m.from), m.to - m.from, advice) == 0;
}

/**
 * Another thread may put something else where a table was mapped between the look and the advice. So this advice it is: it takes pages away from the
 * process and loses nothing, whatever they are (Linux 5.4).
 */
void release_tables() {
  const File file(fopen("/proc/self/maps", "re"));
  if (!file) return;
  Mapping mapping;
  char line[4096];
  while (fgets(line, sizeof line, file.get()))
    if (parse_head(line, mapping) && !mapping.writable && mapping.file.find(".ldb") != std::string::npos) advise(mapping, MADV_PAGEOUT);
}

class TableWatch {
 public:
  static constexpr auto LOOK = std::chrono::milliseconds(2);
  static constexpr uint64_t STEP = 2 << 20;

  Status start() {
    statm_ = Descriptor(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
    if (!statm_.open()) return failed("open");
    try {
      std::thread thread([this] { run(); });
      pthread_setname_np(thread.native_handle(), "trellis-tables");
      thread.detach();
    } catch (const std::system_error& error) {
      return {error.code().value(), "pthread_create"};
    }
    return {};
  }

  void until(uint64_t when) {
    const std::lock_guard lock(mutex_);
    until_ = std::max(until_, when);
    changed_.notify_one();
  }

 private:
  [[noreturn]] void run() {
    for (uint64_t least = 0;;) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return clock_ns() < until_; });
      }
      const uint64_t is = resident_of_files();
      least = std::min(least, is);
      if (is > least + STEP) {
        release_tables();
        least = resident_of_files();
      }
      std::this_thread::sleep_for(LOOK);
    }
  }

  /** The third number of proc_pid_statm(5), in pages. */
  uint64_t resident_of_files() const {
    char line[128] = {};
    uint64_t pages = 0;
    if (pread(statm_.get(), line, sizeof line - 1, 0) <= 0 || sscanf(line, "%*u %*u %" SCNu64, &pages) != 1) return 0;
    return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }

  Descriptor statm_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t until_ = 0;
};

}  // namespace

Status release_code(uint64_t& bytes) {
  bytes = 0;
  char path[4096] = {};
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return failed("readlink");
  const std::string program = path;
  // What is loaded stays loaded, so that nothing else can be where it was by the time of the advice.
  const auto holds_code = [&](const std::string& file) {
    return file == program || file.find(".so") != std::string::npos || file.find(".node") != std::string::npos;
  };
  const File file(fopen("/proc/self/smaps", "re"));
  if (!file) return failed("open");
  Mapping mapping;
  uint64_t resident = 0;
  char line[4096];
  while (fgets(line, sizeof line, file.get())) {
    uint64_t kilobytes = 0;
    if (parse_head(line, mapping)) continue;
    if (sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1) resident = kilobytes * 1024;
    if (sscanf(line, "Anonymous: %" SCNu64, &kilobytes) != 1) continue;
    // Pages that were written while that was allowed (relocations) are this process's alone, and would be lost.
    if (!holds_code(mapping.file) || mapping.writable || kilobytes != 0 || resident == 0) continue;
    if (advise(mapping, MADV_DONTNEED)) bytes += resident;
  }
  return {};
}

Status release_tables_for(uint64_t ns) {
  // Left as they are when the process ends: the thread may be at work then.
  static TableWatch& watch = *new TableWatch;
  static const Status started = watch.start();
  if (started.ok()) watch.until(clock_ns() + ns);
  return started;
}

}  // namespace trellis
