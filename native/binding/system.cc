// System functions of the addon.
#include "convert.h"
#include "module.h"

namespace trellis {

void register_system(napi_env, napi_value) {}
void register_bpf(napi_env, napi_value) {}

}  // namespace trellis
