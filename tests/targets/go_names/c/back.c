// +build cgo

#include "_cgo_export.h"

int
call_back(int n)
{
	return goBack(n) + 1;
}
