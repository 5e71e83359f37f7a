// Entry point of the addon: N-API calls it once when the file is loaded.
#include "module.h"

NAPI_MODULE_INIT() {
  trellis::register_tunnel(env, exports);
  trellis::register_system(env, exports);
  trellis::register_interfaces(env, exports);
  trellis::register_kernel_routes(env, exports);
  trellis::register_multicast(env, exports);
  trellis::register_bpf(env, exports);
  trellis::register_relay(env, exports);
  trellis::register_mesh_filter(env, exports);
  return exports;
}
