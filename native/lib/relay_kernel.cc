#include "relay_kernel.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <utility>

#include "clock.h"
#include "endpoint.h"
#include "lasting_hook.h"

#ifndef BPF_F_TEST_SKB_CHECKSUM_COMPLETE  // kernel headers before 6.13
#define BPF_F_TEST_SKB_CHECKSUM_COMPLETE (1U << 2)
#endif

namespace trellis {
namespace {

/** In the order in which the second object takes them over. */
constexpr const char* MAPS[] = {"relay_config",  "relay_sessions", "relay_neighbours", "relay_states",
                                "relay_targets", "relay_devices",  "relay_counters"};

/** Indices of those that are down, too. */
std::vector<int> all_devices() {
  std::vector<int> out;
  struct if_nameindex* names = if_nameindex();
  for (const struct if_nameindex* each = names; each != nullptr && each->if_index != 0; each++) out.push_back(static_cast<int>(each->if_index));
  if (names != nullptr) if_freenameindex(names);
  return out;
}

}  // namespace

Status KernelRelay::load(uint16_t port, std::span<const uint8_t> tc, std::span<const uint8_t> xdp, const IngressFilter* filter,
                         std::shared_ptr<KernelRelay>& out, std::string& log) {
  out.reset();
  std::shared_ptr<KernelRelay> relay(new KernelRelay);
  relay->port_ = port;
  if (const Status status = BpfObject::open(tc, "trellis_relay", relay->tc_, log); !status.ok()) return status;
  for (const char* name : ADMISSION_MAPS) {
    if (filter == nullptr) break;
    if (const Status status = relay->tc_->share(name, filter->map(name)); !status.ok()) return status;
  }
  if (const Status status = relay->tc_->load("relay_tc", log); !status.ok()) return status;
  if (!xdp.empty()) {
    if (const Status status = BpfObject::open(xdp, "trellis_relay", relay->xdp_, log); !status.ok()) return status;
    for (const auto& names : {std::span<const char* const>(MAPS), std::span<const char* const>(ADMISSION_MAPS)}) {
      for (const char* name : names) {
        if (const Status status = relay->xdp_->share(name, relay->map(name)); !status.ok()) return status;
      }
    }
    if (const Status status = relay->xdp_->load("relay_xdp", log); !status.ok()) return status;
  }
  if (const Status status = relay->map_states(); !status.ok()) return status;
  RelayPrograms& programs = relay->programs_;
  if (getrandom(&programs.mark, sizeof programs.mark, 0) != sizeof programs.mark) return failed("getrandom");
  if (const Status status = program_id(relay->tc_->program(), programs.tc); !status.ok()) return status;
  if (const Status status = xdp.empty() ? Status{} : program_id(relay->xdp_->program(), programs.xdp); !status.ok()) return status;
  out = std::move(relay);
  return {};
}

Status KernelRelay::map_states() {
  constexpr size_t SIZE = RELAY_MAX_STATES * sizeof(relay_state);
  void* memory = mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, map("relay_states"), 0);
  if (memory == MAP_FAILED) return failed("mmap");
  states_ = std::shared_ptr<relay_state[]>(static_cast<relay_state*>(memory), [](relay_state* states) { munmap(states, SIZE); });
  states_[0].asked = clock_ns();  // the first sign of us
  return {};
}

Status KernelRelay::attach(const std::string& name, RelayHook hook) {
  const int device = static_cast<int>(if_nametoindex(name.c_str()));
  if (device == 0) return failed("if_nametoindex");
  if (tc_ == nullptr) return {EBADF, "closed"};
  if (hook == RelayHook::xdp && xdp_ == nullptr) return {ENOTSUP, "relay_xdp"};
  Attachment made{device, hook, {}};
  if (const Status status = attach_at(made); !status.ok()) return status;
  const Status status = permit(device, hook);
  if (status.ok()) attachments_.push_back(std::move(made));
  else detach(made);
  return status;
}

Status KernelRelay::attach_at(Attachment& made) {
  if (made.hook == RelayHook::tcx) return attach_lasting_tcx(tc_->program(), made.device);
  if (made.hook == RelayHook::xdp) return attach_lasting_xdp(xdp_->program(), made.device, before_.xdp);
  return TcHook::attach_clsact(tc_->program(), made.device, TcDirection::in, made.clsact, port_);  // each port's gateway has its own
}

void KernelRelay::detach(Attachment& attachment) const {
  if (attachment.hook == RelayHook::tcx) detach_tcx(attachment.device, programs_.tc);
  if (attachment.hook == RelayHook::xdp) detach_xdp(attachment.device, programs_.xdp);
  attachment.clsact.detach();
}

/** Lets frames be sent to the device: by both programs when XDP is on it. */
Status KernelRelay::permit(int device, RelayHook hook) const {
  const LibBpf* library = LibBpf::get();
  const uint32_t value = hook == RelayHook::xdp ? RELAY_DEVICE_XDP : RELAY_DEVICE_TC;
  const int error = library->map_update_elem(map("relay_devices"), &device, &value, hook == RelayHook::xdp ? BPF_ANY : BPF_NOEXIST);
  return error == 0 || error == -EEXIST ? Status{} : Status{-error, "bpf_map_update_elem"};
}

void KernelRelay::detach_all() {
  for (Attachment& attachment : attachments_) detach(attachment);
  attachments_.clear();
}

bool KernelRelay::succeed(const RelayPrograms& before) {
  bool there = false;
  for (const int device : all_devices()) there = there || has_tcx(device, before.tc);
  if (!there) return false;
  before_ = before;
  if (const Status status = configure(); !status.ok()) fail(status);
  return failure_.ok();
}

void KernelRelay::retire() {
  if (before_.tc == 0) return;
  remove(std::exchange(before_, {}));
  if (tc_ == nullptr) return;
  if (const Status status = configure(); !status.ok()) fail(status);
}

void KernelRelay::remove(const RelayPrograms& programs) {
  for (const int device : all_devices()) {
    detach_tcx(device, programs.tc);
    detach_xdp(device, programs.xdp);
    TcHook::remove_clsact(device, TcDirection::in, programs.tc);
  }
}

/** The tables are not the tunnel's any more: the daemon alone relays. */
void KernelRelay::fail(const Status& status) {
  failure_ = status;
  detach_all();
  remove(std::exchange(before_, {}));
}

void KernelRelay::close() {
  detach_all();
  retire();
  leave();
}

void KernelRelay::leave() {
  attachments_.clear();
  before_ = {};
  states_.reset();
  xdp_.reset();
  tc_.reset();
}

Status KernelRelay::counters(RelayCounts& out) const {
  return tc_ == nullptr ? Status{EBADF, "closed"} : sum_counters(map("relay_counters"), out);
}

Status KernelRelay::run(RelayTrial& trial, std::vector<uint8_t>& frame, uint32_t& code) const {
  const BpfObject* object = trial.xdp ? xdp_.get() : tc_.get();
  if (object == nullptr) return {ENOTSUP, "relay_xdp"};
  std::vector<uint8_t> out(frame.size() + 256);
  __sk_buff context{};
  context.gso_size = trial.segment;
  std::memcpy(context.cb, trial.mark.data(), sizeof trial.mark);
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<uint32_t>(frame.size());
  options.data_out = out.data();
  options.data_size_out = static_cast<uint32_t>(out.size());
  options.repeat = 1;
  if (!trial.xdp) {
    options.ctx_in = options.ctx_out = &context;
    options.ctx_size_in = options.ctx_size_out = sizeof(context);
  }
  if (trial.checksum_known) options.flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE;
  const int error = LibBpf::get()->prog_test_run_opts(object->program(), &options);
  if (error != 0) return {-error, "BPF_PROG_TEST_RUN"};
  code = options.retval;
  std::memcpy(trial.mark.data(), context.cb, sizeof trial.mark);
  out.resize(options.data_size_out);
  frame = std::move(out);
  return {};
}

/** Writes what is new or has changed. */
template <typename Table>
Status KernelRelay::follow(const char* name, const Table& wanted, Table& there) {
  for (const auto& [key, value] : wanted) {
    const auto old = there.find(key);
    if (old != there.end() && std::memcmp(&old->second, &value, sizeof value) == 0) continue;
    const int error = LibBpf::get()->map_update_elem(map(name), &key, &value, BPF_ANY);
    if (error != 0) return {-error, "bpf_map_update_elem"};
    there[key] = value;
  }
  return {};
}

/** Takes away what is there no more. */
template <typename Table>
Status KernelRelay::remove(const char* name, const Table& wanted, Table& there) {
  for (auto at = there.begin(); at != there.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    const int error = LibBpf::get()->map_delete_elem(map(name), &at->first);
    if (error != 0 && error != -ENOENT) return {-error, "bpf_map_delete_elem"};
    at = there.erase(at);
  }
  return {};
}

/** An entry is there before another names it, and goes after. Full of gaps the tables would drop what the daemon relays: then they go. */
void KernelRelay::publish(const RelayTables& tables) {
  if (tc_ == nullptr || !failure_.ok()) return;
  Status status;
  if (status.ok()) status = follow("relay_neighbours", tables.neighbours, neighbours_);
  if (status.ok()) status = follow("relay_sessions", tables.sessions, sessions_);
  if (status.ok()) status = follow("relay_targets", tables.destinations, destinations_);
  if (status.ok()) status = remove("relay_targets", tables.destinations, destinations_);
  if (status.ok()) status = remove("relay_sessions", tables.sessions, sessions_);
  if (status.ok()) status = remove("relay_neighbours", tables.neighbours, neighbours_);
  label_ = tables.label;
  clock_ = tables.clock;
  if (const Status configured = configure(); status.ok()) status = configured;
  if (!status.ok()) fail(status);
}

Status KernelRelay::configure() {
  const relay_config config{label_, clock_, htons(port_), {}, ++generation_, programs_.mark, before_.mark};
  const uint32_t only = 0;
  const int error = LibBpf::get()->map_update_elem(map("relay_config"), &only, &config, BPF_ANY);
  return error == 0 ? Status{} : Status{-error, "bpf_map_update_elem"};
}

}  // namespace trellis
