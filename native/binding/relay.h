// How the tunnel's glue gets at the relay that JavaScript hands it.
#pragma once
#include <node_api.h>

#include <memory>

#include "relay_kernel.h"

namespace trellis {

/** The relay behind an object of `loadRelay`; null, with a TypeError pending, when it is another or closed. */
std::shared_ptr<KernelRelay> relay_of(napi_env env, napi_value object);

}  // namespace trellis
