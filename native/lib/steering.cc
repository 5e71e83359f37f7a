#include "steering.h"

#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace trellis {

Status Steering::load(std::span<const uint8_t> bytes, std::unique_ptr<Steering>& steering, std::string& log) {
  steering.reset();
  std::unique_ptr<BpfObject> object;
  if (const Status status = BpfObject::open(bytes, "trellis_steering", object, log); !status.ok()) return status;
  if (const Status status = object->load("leaving", log); !status.ok()) return status;
  if (object->map("steering_queues") < 0) return {ENOENT, "bpf_object__find_map_by_name"};
  steering.reset(new Steering(std::move(object)));
  return {};
}

Status Steering::attach(int tun, int socket, uint32_t bulk) const {
  const uint32_t only = 0;
  const int error = LibBpf::get()->map_update_elem(object_->map("steering_queues"), &only, &bulk, BPF_ANY);
  if (error != 0) return {-error, "bpf_map_update_elem"};
  int leaving = object_->program(), arriving = object_->program("arriving");
  if (ioctl(tun, TUNSETSTEERINGEBPF, &leaving) != 0) return failed("TUNSETSTEERINGEBPF");
  const int done = setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &arriving, sizeof arriving);
  return done == 0 ? Status{} : failed("SO_ATTACH_REUSEPORT_EBPF");
}

}  // namespace trellis
