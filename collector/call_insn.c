#include "config.h"

#include "collector/call_insn.h"

#include <string.h>

/* Fields of a ModRM byte */
#define MOD(b) ((b) >> 6)
#define REG(b) (((b) >> 3) & 7)
#define RM(b)  ((b) & 7)

static uint64_t
relative(const unsigned char *disp, uint64_t next)
{
	int32_t v;

	memcpy(&v, disp, sizeof(v));
	return next + (uint64_t)(int64_t)v;
}

/* Length of FF /2 with this ModRM (and SIB) byte, prefixes not counted; 0: longer than the bytes there are. */
static size_t
indirect_length(const unsigned char *insn, size_t bytes)
{
	unsigned char modrm = insn[1], mod = MOD(modrm), rm = RM(modrm);
	size_t n = 2;

	if (mod == 3)
		return n;
	if (rm == 4) { /* a SIB byte; base 5 without mod means a displacement alone */
		n++;
		if (bytes < n)
			return 0;
		if (mod == 0 && RM(insn[2]) == 5)
			return n + 4;
	} else if (mod == 0 && rm == 5) {
		return n + 4;
	}
	return mod == 1 ? n + 1 : mod == 2 ? n + 4 : n;
}

enum call_insn
call_insn_direct(const unsigned char *before, uint64_t ret, uint64_t *where)
{
	const unsigned char *end = before + CALL_INSN_MAX;

	if (end[-5] != 0xe8)
		return CALL_NONE;
	*where = relative(end - 4, ret);
	return CALL_DIRECT;
}

enum call_insn
call_insn_indirect(const unsigned char *before, uint64_t ret, uint64_t *where)
{
	const unsigned char *end = before + CALL_INSN_MAX;

	for (size_t n = 2; n <= CALL_INSN_MAX; n++) {
		const unsigned char *insn = end - n;

		if (insn[0] != 0xff || REG(insn[1]) != 2 || indirect_length(insn, n) != n)
			continue;
		if (n == 6 && MOD(insn[1]) == 0 && RM(insn[1]) == 5) {
			*where = relative(end - 4, ret);
			return CALL_SLOT;
		}
		return CALL_ANYWHERE;
	}
	return CALL_NONE;
}

uint64_t
call_stub_slot(const unsigned char *code, size_t n, uint64_t at)
{
	static const unsigned char endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t i = 0;

	if (n >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64)))
		i += sizeof(endbr64);
	if (i < n && code[i] == 0xf2) /* bnd */
		i++;
	if (n < 6 || i > n - 6 || code[i] != 0xff || code[i + 1] != 0x25)
		return 0;
	return relative(code + i + 2, at + i + 6);
}

enum call_insn
call_next_jump(const unsigned char *code, size_t n, uint64_t at, size_t *i, uint64_t *where)
{
	for (; *i + 5 <= n; (*i)++) {
		if (code[*i] == 0xe9) {
			*where = relative(code + *i + 1, at + *i + 5);
			return CALL_DIRECT;
		}
		if (code[*i] == 0xff && REG(code[*i + 1]) == 4)
			return CALL_ANYWHERE;
	}
	return CALL_NONE;
}

int
call_is_sigreturn(const unsigned char *code, size_t n)
{
	static const unsigned char rax[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	static const unsigned char eax[] = { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 };

	return (n >= sizeof(rax) && !memcmp(code, rax, sizeof(rax))) ||
	       (n >= sizeof(eax) && !memcmp(code, eax, sizeof(eax)));
}

int
call_is_exit(const unsigned char *code, size_t n)
{
	static const unsigned char al[] = { 0xb0, 0x3c, 0x0f, 0x05 };
	static const unsigned char eax[] = { 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05 };

	return memmem(code, n, al, sizeof(al)) || memmem(code, n, eax, sizeof(eax));
}
