/*
 * fake_reading.h - readings (base/reading.h) as the script of fake_collector has them.
 *
 *   head      KIND MINOR RATE TICKS_PER_SECOND        KIND: enum reading_kind
 *   bucket    KIND PC,PC... SIZE V0 V1 V2 V3 GROWS    with GROWS the n-th reading has n times the values
 *   goroutine GOID STATE PC,PC... WAIT_NS FLAGS CREATOR_PC PARENT KEY VALUE
 *
 * Pcs are leaf first, with the bits of base/reading.h.
 */
#ifndef PPD_TESTS_TARGETS_FAKE_READING_H
#define PPD_TESTS_TARGETS_FAKE_READING_H

#include "base/reading.h"

/* A sealed file with one, or -1. */
int fake_reading(enum reading_kind kind);

#endif
