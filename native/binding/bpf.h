// The ingress filter of a JavaScript object, for those who share its tables.
#pragma once
#include <node_api.h>

#include "../lib/bpf.h"

namespace trellis {

/** The filter of an object that `loadIngressFilter` gave; null, with a TypeError pending, when it is another or closed. */
IngressFilter* filter_of(napi_env env, napi_value object);

}  // namespace trellis
