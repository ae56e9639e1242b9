/*
 * go_version.h - which Go built a program: the linker's "Go buildinf:" (debug/buildinfo).
 *
 * It is there in every program since Go 1.13, stripped or not, however it was linked, with or without
 * modules and version control.
 */
#ifndef PPD_SYMBOLIZE_GO_VERSION_H
#define PPD_SYMBOLIZE_GO_VERSION_H

#include <stdint.h>

#include "symbolize/image.h"

#define GO_VERSION_MAX 64 /* bytes, with the NUL; a longer one is cut */

/*
 * The version's text, printable ASCII ("go1.21.13", "devel go1.28-4f5a6b"). min and max: minors that
 * the function table's form allows; another program's record, embedded in this one's data, is passed
 * over by that. Returns 0, or -ENOENT where there is none.
 */
int go_version_read(const struct image *im, uint32_t min, uint32_t max, char out[GO_VERSION_MAX]);

/* 21 of "go1.21.13"; GO_MINOR_NEWER of "go2.0"; 0: cannot be told. */
#define GO_MINOR_NEWER 10000u
uint32_t go_version_minor(const char *version);

#endif
