"""200,000 different stacks in every form: the answer begins before they are put in order, and memory is bounded."""
import http.client

from lib import case, forms, front, pprof, service


class Many(case.Case):
    @classmethod
    def prepare(cls):
        cls.front = cls.enter(front.Front(front.simple()))

    def test_each_form_is_whole_and_begins_at_once(self):
        totals = set()
        for name in ("pprof", *forms.NAMES):
            before = len(self.front.said(r"^window \d+ ended at"))
            first, body = self.first_byte_of(f"profile?seconds=1&event=many&format={name}")
            ended = int(self.front.said(r"^window \d+ ended at (\d+)")[before])
            resident = int(service.status_of(self.front.pid("fcgi"))["VmHWM"].split()[0])
            print(f"        {name}: {len(body) / 1e6:.1f} MB, first byte {(first - ended) / 1e6:.0f} ms after the window, "
                  f"{resident / 1000:.0f} MB resident at most")
            self.assertLess(resident, 200_000)
            if name == "pprof":
                p = pprof.decode(body)
                self.assertEqual(len(p.samples), 200_000)
                totals.add(p.total(1))
            elif forms.whole(name, body) is not None:
                totals.add(forms.whole(name, body))
        self.assertEqual(len(totals), 1)

    def first_byte_of(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.front.port, timeout=80)
        c.request("GET", service.PREFIX + path)
        r = c.getresponse()
        first = front.now_ns()
        self.assertEqual(r.status, 200)
        body = r.read()
        c.close()
        return first, body


if __name__ == "__main__":
    case.main()
