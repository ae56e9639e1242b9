/*
 * symbol.h - the addresses that a client wants to have named.
 */
#ifndef PPD_FCGI_SYMBOL_H
#define PPD_FCGI_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

#define SYMBOL_ADDRESSES_MAX 10000 /* in one request; later ones are left out */

/*
 * The next address of a list separated by '+': hexadecimal (0x), octal (0, 0o), binary (0b) or
 * decimal, with underscores between digits, as strconv.ParseUint takes it with base 0. Junk and
 * zero are skipped. *at moves on. Returns 1, or 0 at the end.
 */
int symbol_next(const char **at, const char *end, uint64_t *address);

#endif
