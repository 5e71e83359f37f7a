#include "bpf.h"

#include <sys/socket.h>

#include <cstring>

namespace trellis {

Status IngressFilter::load(std::span<const uint8_t> bytes, std::unique_ptr<IngressFilter>& filter, std::string& log) {
  filter.reset();
  std::unique_ptr<BpfObject> object;
  if (const Status status = BpfObject::open(bytes, "trellis_ingress", object, log); !status.ok()) return status;
  if (const Status status = object->load("ingress", log); !status.ok()) return status;
  if (object->map("ingress_counters") < 0) return {ENOENT, "bpf_object__find_map_by_name"};
  filter.reset(new IngressFilter(std::move(object)));
  return {};
}

Status IngressFilter::attach(int socket) const {
  const int program = object_->program();
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) != 0) return failed("setsockopt(SO_ATTACH_BPF)");
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
  const int error = LibBpf::get()->prog_test_run_opts(object_->program(), &options);
  if (error != 0) return {-error, "BPF_PROG_TEST_RUN"};
  passed = options.retval != 0;
  return {};
}

}  // namespace trellis
