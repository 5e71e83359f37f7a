// What of this process's memory the kernel can read again from files.
#pragma once
#include <cstdint>

#include "status.h"

namespace trellis {

/**
 * Gives back the resident pages of the program's file and of its libraries, where this process has changed nothing: code that only its start needed. They
 * are read again, from the page cache as a rule, when they are touched. `bytes`: how much was resident.
 */
Status release_code(uint64_t& bytes);

/**
 * For `ns` from now on a thread gives back the pages of LevelDB's tables (*.ldb) whenever 2 MB more of files are resident than after the last
 * time. LevelDB maps what it compacts and reads, some 20 MB at once, faster than a thread that has other things to do could look.
 */
Status release_tables_for(uint64_t ns);

}  // namespace trellis
