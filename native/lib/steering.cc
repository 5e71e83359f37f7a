#include "steering.h"

#include <linux/if_tun.h>
#include <sys/ioctl.h>

namespace trellis {

Status Steering::load(std::span<const uint8_t> bytes, std::unique_ptr<Steering>& steering, std::string& log) {
  steering.reset();
  std::unique_ptr<BpfObject> object;
  if (const Status status = BpfObject::open(bytes, "trellis_steering", object, log); !status.ok()) return status;
  if (const Status status = object->load("steering", log); !status.ok()) return status;
  if (object->map("steering_queues") < 0) return {ENOENT, "bpf_object__find_map_by_name"};
  steering.reset(new Steering(std::move(object)));
  return {};
}

Status Steering::attach(int tun, uint32_t bulk) const {
  const uint32_t only = 0;
  const int error = LibBpf::get()->map_update_elem(object_->map("steering_queues"), &only, &bulk, BPF_ANY);
  if (error != 0) return {-error, "bpf_map_update_elem"};
  int program = object_->program();
  return ioctl(tun, TUNSETSTEERINGEBPF, &program) == 0 ? Status{} : failed("TUNSETSTEERINGEBPF");
}

}  // namespace trellis
