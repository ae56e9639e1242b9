/*
 * unwind_rows.h - compile .eh_frame into rows.
 *
 * .eh_frame is found as the process itself finds it: through PT_GNU_EH_FRAME's
 * .eh_frame_hdr (LSB 5.0 core, 10.6), not by section headers.
 */
#ifndef PPD_SYMBOLIZE_UNWIND_ROWS_H
#define PPD_SYMBOLIZE_UNWIND_ROWS_H

#include "base/err.h"
#include "symbolize/image.h"
#include "symbolize/rows_writer.h"
#include "symbolize/unwind_bounds.h"

/*
 * Add the rows of the image's .eh_frame. Spoiled entries are skipped, one by one; a place that
 * no entry covers gets ROW_NONE. Returns the number of entries (FDEs) used, or -errno: -ENOENT
 * when there is no table at all, -EBADMSG when it leads nowhere, -ENOMEM, -EFBIG.
 */
int unwind_rows(const struct image *im, struct rows_writer *w, struct err *why);

#endif
