#include "bpf_object.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace trellis {
namespace {

constexpr size_t LOG_SIZE = 1024 * 1024;

/** libbpf has errors of its own from 4000 on ("not an ELF file"); they mean that the object is no good. */
int os_error(int number) { return number >= 4000 ? EINVAL : number; }

/** What libbpf says while loading: its print hook has no argument of ours, and loading happens on one thread at a time. */
thread_local std::string* said = nullptr;

int listen_to(libbpf_print_level level, const char* format, va_list arguments) {
  if (said == nullptr || level == LIBBPF_DEBUG) return 0;
  char line[1024];
  const int size = std::vsnprintf(line, sizeof(line), format, arguments);
  if (size > 0) said->append(line, std::min<size_t>(static_cast<size_t>(size), sizeof(line) - 1));
  return size;
}

class Listening {
 public:
  explicit Listening(const LibBpf& library, std::string& out) {
    said = &out;
    library.set_print(listen_to);
  }
  ~Listening() { said = nullptr; }
};

}  // namespace

Status BpfObject::open(std::span<const uint8_t> bytes, const char* name, std::unique_ptr<BpfObject>& out, std::string& log) {
  out.reset();
  const LibBpf* library = LibBpf::get();
  if (library == nullptr) {
    log = "libbpf.so.1 is not installed";
    return {ENOSYS, "dlopen"};
  }
  const Listening listening(*library, log);
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  options.object_name = name;
  bpf_object* object = library->object_open_mem(bytes.data(), bytes.size(), &options);
  if (object == nullptr) return {os_error(errno), "bpf_object__open_mem"};
  out.reset(new BpfObject(object));
  return {};
}

BpfObject::~BpfObject() { LibBpf::get()->object_close(object_); }

Status BpfObject::share(const char* name, int descriptor) {
  const LibBpf* library = LibBpf::get();
  bpf_map* map = library->find_map_by_name(object_, name);
  if (map == nullptr) return {ENOENT, "bpf_object__find_map_by_name"};
  const int error = library->map_reuse_fd(map, descriptor);
  return error == 0 ? Status{} : Status{os_error(-error), "bpf_map__reuse_fd"};
}

Status BpfObject::load(const char* name, std::string& log) {
  const LibBpf* library = LibBpf::get();
  const Listening listening(*library, log);
  bpf_program* program = library->find_program_by_name(object_, name);
  if (program == nullptr) return {ENOENT, "bpf_object__find_program_by_name"};
  std::vector<char> verifier(LOG_SIZE);
  library->program_set_log_buf(program, verifier.data(), verifier.size());
  const int error = library->object_load(object_);
  if (error != 0) {
    log += verifier.data();
    return {os_error(-error), "bpf_object__load"};
  }
  program_ = library->program_fd(program);
  return {};
}

int BpfObject::program(const char* name) const {
  const LibBpf* library = LibBpf::get();
  const bpf_program* program = library->find_program_by_name(object_, name);
  return program == nullptr ? -1 : library->program_fd(program);
}

int BpfObject::map(const char* name) const {
  const LibBpf* library = LibBpf::get();
  const bpf_map* map = library->find_map_by_name(object_, name);
  return map == nullptr ? -1 : library->map_fd(map);
}

Status sum_counters(int map, std::span<uint64_t> out) {
  const LibBpf* library = LibBpf::get();
  const int cpus = library->num_possible_cpus();
  if (cpus < 0) return {-cpus, "libbpf_num_possible_cpus"};
  std::vector<uint64_t> values(static_cast<size_t>(cpus));
  for (uint32_t at = 0; at < out.size(); at++) {
    const int error = library->map_lookup_elem(map, &at, values.data());
    if (error != 0) return {-error, "bpf_map_lookup_elem"};
    out[at] = 0;
    for (const uint64_t value : values) out[at] += value;
  }
  return {};
}

}  // namespace trellis
