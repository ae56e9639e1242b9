/*
 * enc_forms.h - the writers of all forms but pprof: one function, and one file, each.
 *
 * Their documents are described by conf/schemas/ and pprofd-formats(7). In all of them the values
 * of what is shown, with what is said to be not shown, come to the profile's own total of the stacks
 * that match.
 */
#ifndef PPD_FCGI_ENC_FORMS_H
#define PPD_FCGI_ENC_FORMS_H

#include "fcgi/form.h"

/* struct form's `write`. */
typedef void enc_form(const struct form_of *of, struct view *v, struct sink *to);

enc_form enc_json;       /* VIEW_SAMPLES */
enc_form enc_top;        /* VIEW_TABLE */
enc_form enc_tree;       /* VIEW_SORTED, as all that follow */
enc_form enc_flamegraph;
enc_form enc_speedscope;
enc_form enc_folded;
enc_form enc_svg;

#endif
