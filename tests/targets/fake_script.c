#include "config.h"

#include "tests/targets/fake_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct line lines[LINES_MAX];
int n_lines;

static void
unescape(char *s)
{
	char *to = s;

	while (*s) {
		unsigned int byte;

		if (s[0] == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

void
script_read(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t cap = 0;
	char *text = NULL;
	ssize_t n;

	if (!f) {
		perror(path);
		exit(1);
	}
	while (n_lines < LINES_MAX && (n = getline(&text, &cap, f)) > 0) {
		struct line *l = &lines[n_lines];
		char *at = text;

		if (text[n - 1] == '\n')
			text[n - 1] = '\0';
		if (*text == '#' || !*text)
			continue;
		for (l->n = 0; at && l->n < FIELDS_MAX; l->n++)
			l->field[l->n] = strsep(&at, "\t");
		for (int i = 0; i < FIELDS_MAX; i++)
			if (i >= l->n)
				l->field[i] = strdup("");
			else
				unescape(l->field[i]);
		n_lines++;
		text = NULL;
		cap = 0;
	}
	free(text);
	fclose(f);
}

uint64_t
num(const struct line *l, int field)
{
	return strtoull(l->field[field], NULL, 0);
}

bool
is(const struct line *l, const char *what)
{
	return !strcmp(l->field[0], what);
}
