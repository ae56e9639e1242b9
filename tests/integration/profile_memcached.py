"""memcached under load: four threads, deep buffers on the stack, stripped."""
from lib import case, load, real, service


class Memcached(case.Case):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(load.Memcached())
        cls.service = cls.enter(service.Service(cls.node.pid))
        cls.profile = cls.service.profile(8)

    def test_nearly_every_stack_reaches_the_root(self):
        # perf --call-graph dwarf,65528 reaches it in 17-25 %: the kernel's copy of the stack stops at
        # the first page that is not there, and memcached's frames lie beyond.
        real.check_rooted(self, self.profile, "memcached")

    def test_no_frame_is_without_a_function(self):
        real.check_names(self, self.profile)

    def test_its_functions_are_one_each(self):
        # memcached exports nothing: its functions are [memcached]+0xSTART, each once in the table.
        own = [f.name for s in self.profile.samples for f in self.profile.frames(s)
               if f.mapping.file.endswith("/memcached")]
        self.assertTrue(own)
        self.assertLess(len(set(own)), 200)

    def test_its_workers_are_told_apart(self):
        threads = {(s.labels["thread"][0], s.labels["tid"][0]) for s in self.profile.samples
                   if s.values[0]}  # what no sample saw ([unsampled]) may be of no thread
        self.assertGreaterEqual(len(threads), 2, threads)


if __name__ == "__main__":
    case.main()
