// What of this process's memory the kernel can read again from files.
#pragma once
#include <cstdint>

#include "status.h"

namespace trellis {

/**
 * Gives back the resident pages of files that are mapped without a right to write and of which this process has changed nothing: code that only
 * its start needed, tables that were read. They are read again, from the page cache as a rule, when they are touched. `bytes`: how much was resident.
 */
Status release_mapped(uint64_t& bytes);

}  // namespace trellis
