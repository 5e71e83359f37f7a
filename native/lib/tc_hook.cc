#include "tc_hook.h"

#include <sys/syscall.h>

#include <utility>
#include <vector>

#include "libbpf.h"
#include "tc_filters.h"

namespace trellis {
namespace {

constexpr uint32_t TCX_INGRESS = 46, TCX_EGRESS = 47;  // newer than the headers of Debian 12

bpf_tc_hook hook_of(int device, TcDirection direction) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = device;
  hook.attach_point = direction == TcDirection::in ? BPF_TC_INGRESS : BPF_TC_EGRESS;
  return hook;
}

bpf_tc_opts filter_options(uint32_t handle) {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = handle;
  options.priority = TC_PRIORITY;
  return options;
}

/** BPF_LINK_CREATE by hand: libbpf 1.1 does not know tcx. The link goes with its descriptor. */
Status create_link(int program, int device, uint32_t type, uint32_t flags, Descriptor& link) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program);
  attributes.link_create.target_ifindex = static_cast<uint32_t>(device);
  attributes.link_create.attach_type = type;
  attributes.link_create.flags = flags;
  const long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
  if (fd < 0) return failed("BPF_LINK_CREATE");
  link = Descriptor(static_cast<int>(fd));
  return {};
}

}  // namespace

Status TcHook::attach_tcx(int program, int device, TcDirection direction, TcHook& hook) {
  return create_link(program, device, direction == TcDirection::in ? TCX_INGRESS : TCX_EGRESS, 0, hook.link_);
}

Status TcHook::attach_clsact(int program, int device, TcDirection direction, TcHook& hook, uint32_t handle) {
  const LibBpf* library = LibBpf::get();
  bpf_tc_hook at = hook_of(device, direction);
  const int made = library->tc_hook_create(&at);
  if (made != 0 && made != -EEXIST) return {-made, "bpf_tc_hook_create"};
  hook.device_ = device;
  hook.direction_ = direction;
  hook.handle_ = handle;
  hook.made_qdisc_ = made == 0;
  bpf_tc_opts options = filter_options(handle);
  options.prog_fd = program;
  options.flags = BPF_TC_F_REPLACE;
  const int error = library->tc_attach(&at, &options);
  if (error == 0) return {};
  hook.detach();
  return {-error, "bpf_tc_attach"};
}

Status TcHook::attach(int program, int device, TcDirection direction, bool clsact, TcHook& hook) {
  if (!clsact) {
    const Status status = attach_tcx(program, device, direction, hook);
    if (status.ok() || status.number != EINVAL) return status;
  }
  return attach_clsact(program, device, direction, hook);
}

bool TcHook::remove_clsact(int device, TcDirection direction, uint32_t program) {
  std::vector<TcFilter> filters;
  if (!read_tc_filters(device, direction, filters).ok()) return false;
  for (const TcFilter& filter : filters) {
    if (filter.program != program || filter.priority != TC_PRIORITY) continue;
    bpf_tc_hook hook = hook_of(device, direction);
    const bpf_tc_opts options = filter_options(filter.handle);
    return LibBpf::get()->tc_detach(&hook, &options) == 0;
  }
  return false;
}

void TcHook::detach() {
  link_ = Descriptor();
  if (device_ == 0) return;
  const LibBpf* library = LibBpf::get();
  bpf_tc_hook hook = hook_of(device_, direction_);
  const bpf_tc_opts options = filter_options(handle_);
  library->tc_detach(&hook, &options);
  const int device = std::exchange(device_, 0);
  if (!made_qdisc_) return;
  std::vector<TcFilter> in, out;
  if (!read_tc_filters(device, TcDirection::in, in).ok() || !read_tc_filters(device, TcDirection::out, out).ok()) return;
  if (!in.empty() || !out.empty()) return;
  hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
  library->tc_hook_destroy(&hook);
}

}  // namespace trellis
