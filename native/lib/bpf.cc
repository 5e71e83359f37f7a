#include "bpf.h"

#include <sys/socket.h>

#include <cstdio>
#include <cstring>

#include "libbpf.h"

namespace trellis {
namespace {

constexpr size_t LOG_SIZE = 256 * 1024;

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

Status IngressFilter::load(std::span<const uint8_t> bytes, std::unique_ptr<IngressFilter>& filter, std::string& log) {
  filter.reset();
  const LibBpf* library = LibBpf::get();
  if (library == nullptr) {
    log = "libbpf.so.1 is not installed";
    return {ENOSYS, "dlopen"};
  }
  const Listening listening(*library, log);
  bpf_object_open_opts options{};
  options.sz = sizeof(options);
  options.object_name = "trellis_ingress";
  bpf_object* object = library->object_open_mem(bytes.data(), bytes.size(), &options);
  if (object == nullptr) return {os_error(errno), "bpf_object__open_mem"};

  bpf_program* program = library->find_program_by_name(object, "ingress");
  bpf_map* counters = library->find_map_by_name(object, "ingress_counters");
  std::vector<char> verifier(LOG_SIZE);
  Status status = program && counters ? Status{} : Status{ENOENT, "bpf_object__find_program_by_name"};
  if (status.ok()) {
    library->program_set_log_buf(program, verifier.data(), verifier.size());
    const int error = library->object_load(object);
    if (error != 0) status = {os_error(-error), "bpf_object__load"};
  }
  if (!status.ok()) {
    log += verifier.data();
    library->object_close(object);
    return status;
  }
  filter.reset(new IngressFilter(object, library->program_fd(program), library->map_fd(counters)));
  return {};
}

IngressFilter::~IngressFilter() { LibBpf::get()->object_close(object_); }

Status IngressFilter::attach(int socket) const {
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &program_, sizeof(program_)) != 0) return failed("setsockopt(SO_ATTACH_BPF)");
  return {};
}

Status IngressFilter::counters(IngressCounters& out) const {
  const LibBpf* library = LibBpf::get();
  const int cpus = library->num_possible_cpus();
  if (cpus < 0) return {-cpus, "libbpf_num_possible_cpus"};
  std::vector<uint64_t> values(static_cast<size_t>(cpus));
  for (uint32_t verdict = 0; verdict < out.size(); verdict++) {
    const int error = library->map_lookup_elem(counters_, &verdict, values.data());
    if (error != 0) return {-error, "bpf_map_lookup_elem"};
    out[verdict] = 0;
    for (const uint64_t value : values) out[verdict] += value;
  }
  return {};
}

Status IngressFilter::run(std::span<const uint8_t> payload, uint32_t segment, bool& passed) const {
  // The kernel takes a frame and pulls the Ethernet header; the program then sees the UDP header, as on a socket.
  constexpr size_t ETHERNET = 14, UDP = 8;
  std::vector<uint8_t> frame(ETHERNET + UDP + payload.size());
  std::memcpy(frame.data() + ETHERNET + UDP, payload.data(), payload.size());
  __sk_buff context{};
  context.gso_size = segment;
  context.gso_segs = segment == 0 ? 0 : static_cast<uint32_t>((payload.size() + segment - 1) / segment);
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<uint32_t>(frame.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  options.repeat = 1;
  const int error = LibBpf::get()->prog_test_run_opts(program_, &options);
  if (error != 0) return {-error, "BPF_PROG_TEST_RUN"};
  passed = options.retval != 0;
  return {};
}

}  // namespace trellis
