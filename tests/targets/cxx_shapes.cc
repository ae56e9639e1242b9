/*
 * C++: a template, a virtual call, inlined lambdas and operators, and exceptions thrown and
 * caught. 60 % in a virtual call's inlined operator, 25 % in a template, 15 % in a handler.
 */
#include "target.h"

#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace shapes {

struct mixer {
	uint64_t operator()(uint64_t x, uint64_t y) const { return churn(x ^ y, TARGET_PIECE / 8); }
};

struct shape {
	virtual ~shape() = default;
	virtual uint64_t area(uint64_t x) const = 0;
};

struct circle : shape {
	std::vector<uint64_t> points{1, 2, 3, 4, 5, 6, 7, 8};

	__attribute__((noinline)) uint64_t area(uint64_t x) const override
	{
		return std::accumulate(points.begin(), points.end(), x, mixer());
	}
};

template <typename T, int N>
__attribute__((noinline)) T
fold(T x)
{
	auto step = [](T y) { return churn(y, TARGET_PIECE / N); };

	for (int i = 0; i < N; i++)
		x = step(x) + i;
	return x;
}

__attribute__((noinline)) void
refuse(uint64_t x)
{
	if (x != 0)
		throw std::runtime_error("refused");
}

__attribute__((noinline)) uint64_t
handle(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 9;
}

__attribute__((noinline)) uint64_t
attempt(uint64_t x)
{
	try {
		refuse(x | 1);
	} catch (const std::exception &e) {
		x = handle(x) + static_cast<unsigned char>(e.what()[0]);
	}
	return x;
}

__attribute__((noinline)) uint64_t
draw(const shape &s, uint64_t x)
{
	unsigned int d = target_draw();

	if (d < 60)
		x = s.area(x) + 1;
	else if (d < 85)
		x = fold<uint64_t, 4>(x) + 2;
	else
		x = attempt(x) + 3;
	target_keep(x);
	return x;
}

} // namespace shapes

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	std::unique_ptr<shapes::shape> s = std::make_unique<shapes::circle>();
	uint64_t x = 1;

	/* An exception costs some us of its own: the handler's share of the whole is then lower. */
	target_expect("\"shares\": {\"area\": 0.60, \"fold\": 0.25, \"attempt\": 0.15}, \"systematic\": 0.03, "
	              "\"stacks\": [[\"churn\", \"operator()\", \"accumulate\", \"area\", \"draw\", \"main\"], "
	              "[\"churn\", \"handle\", \"attempt\", \"draw\", \"main\"]], "
	              "\"inlined\": [\"churn\", \"accumulate\", \"operator()\"]");
	while (target_now() < end)
		for (int i = 0; i < 64; i++)
			x = shapes::draw(*s, x);
	target_keep(x);
	return 0;
}
