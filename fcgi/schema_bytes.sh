#!/bin/sh
# schema_bytes.sh FILE... - print the JSON Schemas as rows of the table in schema.c.
for file; do
	printf '{ "%s",\n' "$(basename "$file")"
	sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$file" || exit 1
	echo '},'
done
