"""Libraries whose files are spoiled cost their own names and nothing else."""
import pathlib
import shutil
import tempfile

from lib import case, service, shares, spoil, targets


class Spoiled(case.Case):
    @classmethod
    def prepare(cls):
        cls.directory = cls.enter(tempfile.TemporaryDirectory(prefix="ppd-spoil-"))
        pathlib.Path(cls.directory).chmod(0o755)
        cls.libraries = []
        for i, spoiler in enumerate(spoil.BEFORE + spoil.AFTER):
            path = f"{cls.directory}/{spoiler.__name__}.so"
            shutil.copyfile(targets.build_library(f"lib_{i:02d}_leaf"), path)
            if spoiler in spoil.BEFORE:
                spoil.spoil(path, spoiler)
            cls.libraries.append(path)
        good = f"{cls.directory}/good.so"
        shutil.copyfile(targets.build_library("good_leaf"), good)
        cls.target = cls.enter(targets.start("libnode", 85, *cls.libraries, good))
        for spoiler in spoil.AFTER:
            spoil.spoil(f"{cls.directory}/{spoiler.__name__}.so", spoiler)
        cls.service = cls.enter(service.Service(cls.target.pid))
        cls.pids = {who: cls.service.pid(who) for who in service.USERS}
        cls.clock = shares.Clock(cls.target)
        cls.profile = cls.service.profile(20)
        cls.used = cls.target.cpu_seconds() - cls.clock.began
        cls.share = 1 / (len(cls.libraries) + 2)  # each library's, the good one's, the node's own

    def allowed(self):
        return shares.tolerance(self.share, self.profile.total(), 0.002)

    def test_the_total_is_whole(self):
        self.assertLess(abs(self.profile.total(1) / 1e9 - self.used), 0.10 * self.used + 0.2)

    def test_every_librarys_samples_stand_in_its_own_mapping(self):
        for path in self.libraries:
            name = path[path.rindex("/"):]
            with self.subTest(name):
                seen = sum(s.values[0] for s in self.profile.samples
                           if s.locations[0].mapping.file.endswith(name)) / self.profile.total()
                self.assertLess(abs(seen - self.share), self.allowed())

    def test_the_good_library_and_the_node_keep_their_names(self):
        for leaf, file in (("good_leaf", "good.so"), ("own_leaf", "libnode")):
            seen = self.profile.share(lambda f: f.name == leaf and f.mapping.file.endswith(file))
            self.assertLess(abs(seen - self.share), self.allowed(), leaf)
        stacks = shares.chains(self.profile)
        self.assertTrue(any(shares.contains(c, ("good_leaf", "lib_static", "lib_entry", "turn", "main")) for c in stacks))

    def test_a_forged_name_stands_only_in_the_librarys_own_mapping(self):
        for s in self.profile.samples:
            for f in self.profile.frames(s):
                if f.name == "own_leaf":
                    self.assertTrue(f.mapping.file.endswith(("libnode", "symbols_that_claim_everything.so")), f)

    def test_nobody_of_ours_died(self):
        for who, pid in self.pids.items():
            self.assertIsNone(self.service.processes[who].poll(), f"{who} {pid}")

    def test_a_second_window_is_served_as_the_first(self):
        p = self.service.profile(2)
        self.assertGreater(p.total(), 5)
        self.assertIn("own_leaf", p.names())

    def test_the_node_lives(self):
        self.assertTrue(self.target.alive())


class Twins(case.Case):
    """Two libraries with one build-id and different code: a build-id is a claim, never a key."""

    def test_each_twin_keeps_its_own_names(self):
        flags = ("-Wl,--build-id=0x00112233445566778899aabbccddeeff00112233",)
        one = targets.build_library("first_twin_leaf", flags=flags)
        two = targets.build_library("second_twin_leaf", flags=flags)
        with targets.start("libnode", 30, one, two) as t, service.Service(t.pid) as s:
            p = s.profile(4)
        for leaf, path in (("first_twin_leaf", one), ("second_twin_leaf", two)):
            seen = p.share(lambda f: f.name == leaf)
            self.assertLess(abs(seen - 1 / 3), shares.tolerance(1 / 3, p.total()), leaf)
            files = {f.mapping.file for x in p.samples for f in p.frames(x) if f.name == leaf}
            self.assertEqual({pathlib.Path(f).name for f in files}, {pathlib.Path(path).name})

    def test_a_forged_build_id_of_libc_renames_nothing_of_libc(self):
        import re
        import subprocess
        targets.need("readelf")
        with targets.start("libnode", 30) as probe:
            libc = re.search(r"(/\S*libc\.so\.6)", open(f"/proc/{probe.pid}/maps").read())[1]
        notes = subprocess.run(["readelf", "-n", libc], capture_output=True, text=True).stdout
        build_id = re.search(r"Build ID: ([0-9a-f]+)", notes)[1]
        forged = targets.build_library("forged_leaf", flags=(f"-Wl,--build-id=0x{build_id}",))
        with targets.start("libnode", 30, forged) as t, service.Service(t.pid) as s:
            p = s.profile(4)
        for x in p.samples:
            for f in p.frames(x):
                if f.mapping.file.endswith("libc.so.6"):
                    self.assertNotIn(f.name, ("forged_leaf", "lib_static", "lib_entry"))
        self.assertGreater(p.share(lambda f: f.name == "own_leaf"), 0.3)


if __name__ == "__main__":
    case.main()
